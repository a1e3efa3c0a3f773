package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"wayside/graph"
)

var formatNames = map[graph.Format]string{graph.TFLite: "TensorFlow Lite", graph.ONNX: "ONNX"}

// printModel writes one screen about the model.
func printModel(w io.Writer, m *inspectJSON) error {
	a := &m.About
	size := fmt.Sprintf(": %s, %s bytes", formatNames[m.Format], grouped(m.FileBytes))
	fmt.Fprintln(w, tail(filepath.Base(m.Model), screenWidth-len(size))+size)
	var made []string
	if a.Producer != "" {
		made = append(made, "written by "+clip(a.Producer, 50))
	}
	if a.MinRuntime != "" {
		made = append(made, "for TensorFlow Lite "+a.MinRuntime+" and later")
	}
	if len(made) > 0 {
		fmt.Fprintf(w, "  %s\n", clip(strings.Join(made, ", "), screenWidth-2))
	}
	if a.Name != "" || a.Description != "" || a.Author != "" {
		text := cmp.Or(a.Name, a.Description)
		if a.Version != "" {
			text += " " + a.Version
		}
		if a.Author != "" {
			text += " by " + a.Author
		}
		if a.Name != "" && a.Description != "" {
			text += ": " + a.Description
		}
		for _, line := range wrap(clip(text, 3*screenWidth), screenWidth-2) {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	fmt.Fprintln(w)
	if err := printIO(w, m); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nwork     %s, %s multiply-accumulates per run\n", counted(len(m.Steps), "step"), grouped(m.MACs))
	fmt.Fprintf(w, "weights  %s bytes%s\n", grouped(int64(m.WeightBytes)), byDType(m.ByDType))
	fmt.Fprintf(w, "arena    %s bytes per session", grouped(int64(m.ArenaBytes)))
	if m.Peak.Step >= 0 {
		fmt.Fprintf(w, "; fullest at step %d (%s): %s", m.Peak.Step, m.Peak.Op, grouped(m.Peak.Bytes))
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w)
	ops := &columns{indent: "  ", shrink: true, right: map[int]bool{2: true, 3: true, 4: true, 5: true}}
	ops.row("operator", "kernel", "steps", "MACs", "bytes", "work")
	for _, s := range m.Operators {
		ops.row(s.Op, s.Kernel, fmt.Sprint(s.Steps), grouped(s.MACs), grouped(s.Bytes), share(s.MACs, m.MACs))
	}
	if err := ops.write(w); err != nil {
		return err
	}
	for i, n := range m.Notes {
		if i == 0 {
			fmt.Fprintln(w)
		}
		for k, line := range wrap(clip(n, 3*screenWidth), screenWidth-6) {
			fmt.Fprintf(w, "%s%s\n", []string{"note: ", "      "}[min(k, 1)], line)
		}
	}
	return nil
}

// printIO writes inputs, outputs and states, one line each; what is known of their values goes to a line of its own where one of them is too
// long for that.
func printIO(w io.Writer, m *inspectJSON) error {
	var rows [][]string
	wide := [4]int{}
	for _, g := range []struct {
		title string
		list  []ioJSON
	}{{"input", m.Inputs}, {"output", m.Outputs}, {"state", m.State}} {
		const most = 8 // the states of a recurrent model would fill the screen
		for i, v := range g.list {
			if i == most && len(g.list) > most+1 {
				rows = append(rows, []string{g.title, fmt.Sprintf("and %d more", len(g.list)-most), "", ""})
				break
			}
			r := []string{fmt.Sprintf("%s %d", g.title, v.Index), v.DType + shapeText(v.Shape), ioName(v), noteText(v)}
			rows = append(rows, r)
			for k := range r {
				wide[k] = max(wide[k], utf8.RuneCountInString(r[k]))
			}
		}
	}
	t := &columns{indent: "  "}
	fits := 2+wide[0]+2+wide[1]+2+wide[2]+2+wide[3] <= screenWidth
	for _, r := range rows {
		if fits {
			t.row(r...)
			continue
		}
		t.row(r[:3]...)
		if r[3] != "" {
			t.row("", "", r[3])
		}
	}
	return t.write(w)
}

// printSteps writes every step on a line.
func printSteps(w io.Writer, m *inspectJSON) error {
	t := &columns{right: map[int]bool{0: true, 4: true, 5: true}, cut: tail}
	t.row("step", "operator", "output", "kernel", "MACs", "bytes", "name")
	for i, s := range m.Steps {
		t.row(fmt.Sprint(i), strings.Repeat("  ", s.Depth)+clip(s.Op, 28), outText(s), s.Kernel, grouped(s.MACs), grouped(s.Bytes), graph.CleanText(s.Name))
	}
	return t.write(w)
}

// outText is dtype and shape of a step's first output, or of the state that it writes.
func outText(s stepJSON) string {
	for _, o := range s.Out {
		if o.Value >= 0 {
			more := ""
			if len(s.Out) > 1 {
				more = fmt.Sprintf(" +%d", len(s.Out)-1)
			}
			return o.DType + shapeText(o.Shape) + more
		}
	}
	if len(s.Out) == 0 && len(s.In) > 0 { // it writes a state
		return "writes " + s.In[0].DType + shapeText(s.In[0].Shape)
	}
	return ""
}

// ioName is the model's own name with those of signature and metadata.
func ioName(v ioJSON) string {
	also := []string{}
	if v.Signature != "" && v.Signature != v.Name {
		also = append(also, v.Signature)
	}
	if v.Meta != nil && v.Meta.Name != "" && v.Meta.Name != v.Name && v.Meta.Name != v.Signature {
		also = append(also, v.Meta.Name)
	}
	text := fmt.Sprintf("%q", tail(v.Name, 40-min(len(strings.Join(also, ", ")), 20)))
	if len(also) > 0 {
		text += " (" + strings.Join(also, ", ") + ")"
	}
	return text
}

func byDType(m map[string]int) string {
	var parts []string
	for _, d := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, d+" "+grouped(int64(m[d])))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

func share(n, of int64) string {
	switch {
	case n == 0 || of == 0:
		return ""
	case n*200 < of:
		return "< 1 %"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(n)/float64(of))
}

func shapeText(s []int) string {
	return strings.ReplaceAll(fmt.Sprint(s), " ", ",")
}

// openShape writes ? for open axes.
func openShape(s []int) string {
	return strings.ReplaceAll(shapeText(s), "-1", "?")
}

func noteText(v ioJSON) string {
	var notes []string
	switch {
	case v.Quant != nil && len(v.Quant.Scale) == 1:
		z := int32(0)
		if len(v.Quant.Zero) > 0 {
			z = v.Quant.Zero[0]
		}
		switch {
		case z == 0:
			notes = append(notes, fmt.Sprintf("r = %v × q", v.Quant.Scale[0]))
		case z < 0:
			notes = append(notes, fmt.Sprintf("r = %v × (q + %d)", v.Quant.Scale[0], -int64(z)))
		default:
			notes = append(notes, fmt.Sprintf("r = %v × (q − %d)", v.Quant.Scale[0], z))
		}
	case v.Quant != nil:
		notes = append(notes, fmt.Sprintf("%d scales along axis %d", len(v.Quant.Scale), v.Quant.Axis))
	}
	if v.Meta != nil && len(v.Meta.Mean) > 0 {
		notes = append(notes, fmt.Sprintf("picture: (p − %s) / %s", perChannel(v.Meta.Mean), perChannel(v.Meta.Std)))
	}
	if n := len(v.Labels); n > 0 {
		notes = append(notes, fmt.Sprintf("%d labels: %s", n, strings.Join(v.Labels[:min(n, 4)], ", ")))
	}
	return strings.Join(notes, "; ")
}

// perChannel writes one number where all channels have the same.
func perChannel(v []float32) string {
	if slices.Max(v) == slices.Min(v) {
		return fmt.Sprint(v[0])
	}
	return strings.ReplaceAll(fmt.Sprint(v[:min(len(v), 4)]), " ", ",")
}

// grouped writes n with thin groups of three digits: 2 656 768.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// clip keeps one line a line.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// tail shortens a name at its front: converters write a path whose end tells more.
func tail(s string, n int) string {
	r := []rune(s)
	if len(r) > n {
		return "…" + string(r[len(r)-n+1:])
	}
	return s
}
