package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"wayside/graph"
	"wayside/graph/feed"
	"wayside/graph/tensor"
)

// assignInputs reads the files of --in and gives each of the model's inputs its samples. The result is in the model's order.
func assignInputs(plan *graph.Plan, args []string, o feed.Options) ([]*feed.Samples, error) {
	ins := plan.Inputs()
	files := make([]*feed.File, len(ins))
	byName := func(name string) int {
		i := slices.IndexFunc(ins, func(v graph.IO) bool { return v.Name == name })
		if at, ok := plan.Meta().InputName(name); i < 0 && ok {
			return at
		}
		return i
	}
	give := func(i int, f *feed.File) error {
		if files[i] != nil {
			return fmt.Errorf("input %q gets two files: %s and %s", ins[i].Name, files[i].Name, f.Name)
		}
		files[i] = f
		return nil
	}
	var rest []*feed.File
	for _, a := range args {
		name, path, named := splitIn(a, byName)
		if named && byName(name) < 0 {
			return nil, fmt.Errorf("--in %s: the model has no input %q; it has %s", a, name, inputNames(plan))
		}
		f, err := feed.Open(path)
		if err != nil {
			return nil, err
		}
		if !named {
			rest = append(rest, f)
			continue
		}
		if err := give(byName(name), f); err != nil {
			return nil, err
		}
	}
	for _, f := range rest {
		if len(f.Arrays) > 1 {
			for k, a := range f.Arrays {
				i := byName(a.Name)
				if n, err := strconv.Atoi(a.Name); i < 0 && err == nil && n >= 0 && n < len(ins) {
					i = n
				}
				if i < 0 {
					return nil, fmt.Errorf("%s: the model has no input for the array %q; it has %s", f.Name, a.Name, inputNames(plan))
				}
				if err := give(i, f.Pick(k)); err != nil {
					return nil, err
				}
			}
			continue
		}
		i := slices.Index(files, nil)
		if i < 0 {
			return nil, fmt.Errorf("%s is one file too many; the model has the inputs %s", f.Name, inputNames(plan))
		}
		files[i] = f
	}
	all := make([]*feed.Samples, len(ins))
	for i, f := range files {
		if f == nil {
			return nil, fmt.Errorf("input %q has no file: give --in %s=FILE; the model has the inputs %s", ins[i].Name, ins[i].Name, inputNames(plan))
		}
		s, err := f.Samples(target(plan.Format(), ins[i]), o)
		if err != nil {
			return nil, err
		}
		if i > 0 && s.Count != all[0].Count {
			return nil, fmt.Errorf("%s has %d samples for input %q, %s has %d for %q; --rows needs as many of each", f.Name, s.Count, ins[i].Name, files[0].Name, all[0].Count, ins[0].Name)
		}
		all[i] = s
	}
	return all, nil
}

// splitIn divides [NAME=]FILE. A file whose own name has a '=' is taken as a file when it exists and NAME is no input.
func splitIn(arg string, byName func(string) int) (name, path string, named bool) {
	for i := range len(arg) {
		if arg[i] == '=' && byName(arg[:i]) >= 0 {
			return arg[:i], arg[i+1:], true
		}
	}
	if _, err := os.Stat(arg); err == nil {
		return "", arg, false
	}
	name, path, named = strings.Cut(arg, "=")
	if !named {
		return "", arg, false
	}
	return name, path, true
}

func inputNames(plan *graph.Plan) string {
	names := []string{}
	for _, v := range describeInputs(plan) {
		also := ""
		if v.Signature != "" && v.Signature != v.Name {
			also = fmt.Sprintf(", or %q", v.Signature)
		}
		names = append(names, fmt.Sprintf("%q%s (%s %s)", v.Name, also, v.DType, shapeText(v.Shape)))
	}
	return strings.Join(names, ", ")
}

// runSamples runs every sample in turn and returns the outputs under the keys 0, 1, ...; with rows stacked on a new first axis.
func runSamples(ctx context.Context, plan *graph.Plan, inputs []*feed.Samples, rows, resetEach bool, progress func(done, of int)) ([]feed.Named, error) {
	count := 1
	if len(inputs) > 0 {
		count = inputs[0].Count
	}
	outs := plan.Outputs()
	results := make([]feed.Named, len(outs))
	for i, v := range outs {
		shape := slices.Clone(v.Shape)
		if rows {
			shape = append(tensor.Shape{count}, shape...)
		}
		t, err := tensor.New(v.DType, shape)
		if err != nil {
			return nil, fmt.Errorf("output %q of %d samples: %w", v.Name, count, err)
		}
		t.Quant = v.Quant
		results[i] = feed.Named{Name: strconv.Itoa(i), T: t}
	}
	s := plan.NewSession()
	for n := range count {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("stopped after %d of %d samples", n, count)
		}
		if resetEach && n > 0 {
			s.Reset()
		}
		for i, in := range inputs {
			if t := s.Input(i); t != nil { // nil: the model does not use this input
				copy(t.Data, in.At(n))
			}
		}
		if err := s.Run(); err != nil {
			return nil, badInput(fmt.Errorf("sample %d: %w", n+1, err)) // only values out of range fail here
		}
		for i := range outs {
			src := s.Output(i).Data
			copy(results[i].T.Data[n*len(src):], src)
		}
		progress(n+1, count)
	}
	return results, nil
}

// progress shows how far a long run is, on a terminal only, from the second second on.
type progress struct {
	w     io.Writer
	next  time.Time
	shown bool
	off   bool
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, next: time.Now().Add(2 * time.Second), off: true}
	if f, ok := w.(*os.File); ok {
		st, err := f.Stat()
		p.off = err != nil || st.Mode()&os.ModeCharDevice == 0
	}
	return p
}

func (p *progress) at(done, of int) {
	if p.off || time.Now().Before(p.next) {
		return
	}
	p.shown, p.next = true, time.Now().Add(time.Second/4)
	fmt.Fprintf(p.w, "\r%d of %d samples ", done, of)
}

func (p *progress) end() {
	if p.shown {
		fmt.Fprintln(p.w)
	}
}

// jsonFloat prints whole numbers as such and what JSON has no number for as null.
type jsonFloat float64

// MarshalJSON implements json.Marshaler.
func (f jsonFloat) MarshalJSON() ([]byte, error) {
	v := float64(f)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	// float32 outputs print with as many digits as float32 has.
	if float64(float32(v)) == v {
		return strconv.AppendFloat(nil, v, 'g', -1, 32), nil
	}
	return strconv.AppendFloat(nil, v, 'f', -1, 64), nil
}

// rawValues are the stored elements: int8 stays -128..127.
func rawValues(t *tensor.Tensor) []jsonFloat {
	v := make([]jsonFloat, t.Elems())
	if t.DType == tensor.U64 {
		for i, x := range t.U64() {
			v[i] = jsonFloat(x)
		}
		return v
	}
	if n, ok := t.Ints(); ok {
		for i, x := range n {
			v[i] = jsonFloat(x)
		}
		return v
	}
	for i, x := range realValues(&tensor.Tensor{DType: t.DType, Shape: t.Shape, Data: t.Data}) {
		v[i] = jsonFloat(x)
	}
	return v
}

// realValues are the elements as numbers of the world: scale × (stored − zero point) where there is a scale.
// The stored values stand for themselves where a file's scales do not fit its shape.
func realValues(t *tensor.Tensor) []float32 {
	f := make([]float32, t.Elems())
	if feed.Dequantize(f, t) != nil {
		if err := feed.Dequantize(f, &tensor.Tensor{DType: t.DType, Shape: t.Shape, Data: t.Data}); err != nil {
			panic("infer: " + err.Error()) // every dtype has values
		}
	}
	return f
}

const (
	shownSamples = 10
	shownTop     = 5
	shownAll     = 12 // outputs of up to this many values are printed whole
)

// printOutputs writes what a person wants to see of the outputs: small ones whole, large ones as range and highest values.
func printOutputs(w io.Writer, ios []graph.IO, outputs []feed.Named, rows bool) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, v := range ios {
		t := outputs[i].T
		fmt.Fprintf(tw, "output %d %q: %v %v", i, v.Name, t.DType, t.Shape)
		if v.Quant.PerTensor() {
			z := int32(0)
			if len(v.Quant.Zero) > 0 {
				z = v.Quant.Zero[0]
			}
			fmt.Fprintf(tw, ", real = %v × (stored − %d)", v.Quant.Scale[0], z)
		}
		fmt.Fprintln(tw)
		raw := rawValues(t)
		realv := realValues(t)
		count, size := 1, len(raw)
		if rows {
			count = t.Shape[0]
			size = 0
			if count > 0 {
				size = len(raw) / count
			}
		}
		for n := range min(count, shownSamples) {
			if rows {
				fmt.Fprintf(tw, "sample %d\n", n+1)
			}
			printSample(tw, raw[n*size:(n+1)*size], realv[n*size:(n+1)*size], v)
		}
		if count > shownSamples {
			fmt.Fprintf(tw, "%d more samples; --out FILE.npz keeps all\n", count-shownSamples)
		}
	}
	return tw.Flush()
}

// labelOf returns the label of value x at place i of a sample, "" without one.
func labelOf(v graph.IO, i int, x float32) string {
	l := v.Meta.Labels
	if v.Meta.ValueLabels {
		if n := int(x); x >= 0 && n < len(l) && float32(n) == x {
			return l[n]
		}
		return ""
	}
	if placesLabelled(v) {
		return l[i%len(l)]
	}
	return ""
}

// placesLabelled reports whether the output has a label for each place on its last axis.
func placesLabelled(v graph.IO) bool {
	n, l := len(v.Shape), len(v.Meta.Labels)
	return n > 0 && l > 0 && l == v.Shape[n-1] && !v.Meta.ValueLabels
}

// highest returns the places of the n highest values, the highest first; NaN is lower than all.
func highest(v []float32, n int) []int {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool {
		x, y := v[order[a]], v[order[b]]
		return x > y || x == x && y != y
	})
	return order[:min(n, len(order))]
}

// topOf lists the highest values of an output whose places have labels.
func topOf(v graph.IO, t *tensor.Tensor, samples int) [][]topJSON {
	if !placesLabelled(v) {
		return nil
	}
	realv := realValues(t)
	all := make([][]topJSON, samples)
	for n := range all {
		one := realv[n*len(realv)/samples : (n+1)*len(realv)/samples]
		for _, i := range highest(one, shownTop) {
			all[n] = append(all[n], topJSON{i, labelOf(v, i, one[i]), jsonFloat(one[i])})
		}
	}
	return all
}

func printSample(w io.Writer, raw []jsonFloat, realv []float32, v graph.IO) {
	line := func(i int) {
		text := fmt.Sprintf("  [%d]\t%v", i, realv[i])
		if v.Quant != nil {
			text += fmt.Sprintf("\tstored %v", float64(raw[i]))
		}
		if l := labelOf(v, i, realv[i]); l != "" {
			text += "\t" + l
		}
		fmt.Fprintln(w, text)
	}
	if len(raw) <= shownAll {
		for i := range raw {
			line(i)
		}
		return
	}
	lo, hi, nan := float32(math.Inf(1)), float32(math.Inf(-1)), 0
	for _, x := range realv {
		if x != x {
			nan++
			continue
		}
		lo, hi = min(lo, x), max(hi, x)
	}
	fmt.Fprintf(w, "  %d values from %v to %v", len(realv), lo, hi)
	if nan > 0 {
		fmt.Fprintf(w, ", %d are NaN", nan)
	}
	fmt.Fprintf(w, "; the highest:\n")
	for _, i := range highest(realv, shownTop) {
		line(i)
	}
}
