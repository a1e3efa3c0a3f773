package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wayside/graph"
)

// inspectJSON is what inspect --json prints.
type inspectJSON struct {
	Model       string         `json:"model"`
	Format      graph.Format   `json:"format"`
	Inputs      []ioJSON       `json:"inputs"`
	Outputs     []ioJSON       `json:"outputs"`
	State       []ioJSON       `json:"state"`
	Steps       []stepJSON     `json:"steps"`
	ArenaBytes  int            `json:"arena_bytes"`
	WeightBytes int            `json:"weight_bytes"`
	ByDType     map[string]int `json:"weight_bytes_by_dtype"`
}

type stepJSON struct {
	Op     string `json:"op"`
	Name   string `json:"name"`
	Kernel string `json:"kernel"`
	MACs   int64  `json:"macs"`
	Bytes  int64  `json:"bytes"`
}

func newInspectCmd() *cobra.Command {
	var (
		asJSON, steps bool
		shapes        []string
	)
	cmd := &cobra.Command{
		Use:   "inspect MODEL",
		Short: "what a model takes and gives, how much memory it needs, which kernels run it",
		Long: `Load a model as the agent would and say what it takes and gives, the memory that it will use, exactly, and the kernel of every step.
A model that cannot run is refused with exit code 2 and the whole list of what is unsupported.`,
		Example: `  wayside inspect kws.tflite
  wayside inspect kws.tflite --steps
  wayside inspect forecast.onnx --shape x=1,24,1 --json`,
		Args: oneModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := loadModel(args[0], shapes)
			if err != nil {
				return fmt.Errorf("inspect: %w", err)
			}
			m := inspectPlan(args[0], plan)
			if asJSON {
				return printJSON(cmd, m)
			}
			return printInspect(cmd.OutOrStdout(), m, steps)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with every step")
	cmd.Flags().BoolVar(&steps, "steps", false, "list every step instead of a summary by operator")
	cmd.Flags().StringArrayVar(&shapes, "shape", nil, "extents of an input with dynamic axes, `NAME=1,49,10,1`")
	return cmd
}

func inspectPlan(path string, p *graph.Plan) inspectJSON {
	m := inspectJSON{
		Model: path, Format: p.Format(), Inputs: describeIO(p.Inputs()), Outputs: describeIO(p.Outputs()), State: describeIO(p.State()),
		Steps: []stepJSON{}, ArenaBytes: p.ArenaBytes(), WeightBytes: p.WeightBytes(), ByDType: p.WeightBytesByDType(),
	}
	for _, s := range p.Steps() {
		m.Steps = append(m.Steps, stepJSON{s.Op, s.Name, s.Kernel, s.MACs, s.Bytes})
	}
	return m
}

func printInspect(w io.Writer, m inspectJSON, all bool) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var macs int64
	for _, s := range m.Steps {
		macs += s.MACs
	}
	fmt.Fprintf(tw, "%s: %s, %d steps, %s multiply-accumulates per run\n", m.Model, m.Format, len(m.Steps), grouped(macs))
	fmt.Fprintf(tw, "memory: %s bytes of weights", grouped(int64(m.WeightBytes)))
	if len(m.ByDType) > 0 {
		var parts []string
		for _, d := range slices.Sorted(maps.Keys(m.ByDType)) {
			parts = append(parts, d+" "+grouped(int64(m.ByDType[d])))
		}
		fmt.Fprintf(tw, " (%s)", strings.Join(parts, ", "))
	}
	fmt.Fprintf(tw, ", %s bytes of arena per session\n", grouped(int64(m.ArenaBytes)))
	for _, g := range []struct {
		title string
		ios   []ioJSON
	}{{"input", m.Inputs}, {"output", m.Outputs}, {"state", m.State}} {
		for _, v := range g.ios {
			fmt.Fprintf(tw, "%s %d\t%q\t%s\t%v\t%s\n", g.title, v.Index, v.Name, v.DType, shapeText(v.Shape), noteText(v))
		}
	}
	fmt.Fprintln(tw)
	if all {
		fmt.Fprintln(tw, "step\toperator\tname\tkernel\tMACs\tbytes")
		for i, s := range m.Steps {
			fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s\t%s\n", i, s.Op, clip(s.Name, 40), s.Kernel, grouped(s.MACs), grouped(s.Bytes))
		}
		return tw.Flush()
	}
	fmt.Fprintln(tw, "operator\tkernel\tsteps\tMACs\tbytes")
	for _, s := range sumSteps(m.Steps) {
		fmt.Fprintf(tw, "%s\t%s\t%d\t%s\t%s\n", s.Op, s.Kernel, s.count, grouped(s.MACs), grouped(s.Bytes))
	}
	return tw.Flush()
}

type stepSum struct {
	stepJSON
	count int
}

// sumSteps adds up the steps of one operator and kernel, the most work first.
func sumSteps(steps []stepJSON) []stepSum {
	var sums []stepSum
	for _, s := range steps {
		i := slices.IndexFunc(sums, func(t stepSum) bool { return t.Op == s.Op && t.Kernel == s.Kernel })
		if i < 0 {
			i = len(sums)
			sums = append(sums, stepSum{stepJSON: stepJSON{Op: s.Op, Kernel: s.Kernel}})
		}
		sums[i].count++
		sums[i].MACs += s.MACs
		sums[i].Bytes += s.Bytes
	}
	slices.SortStableFunc(sums, func(a, b stepSum) int {
		switch {
		case a.MACs != b.MACs && a.MACs > b.MACs, a.MACs == b.MACs && a.Bytes > b.Bytes:
			return -1
		case a.MACs == b.MACs && a.Bytes == b.Bytes:
			return 0
		}
		return 1
	})
	return sums
}

func shapeText(s []int) string {
	return strings.ReplaceAll(fmt.Sprint(s), " ", ",")
}

func noteText(v ioJSON) string {
	var notes []string
	switch {
	case v.Quant != nil && len(v.Quant.Scale) == 1 && len(v.Quant.Zero) == 1:
		notes = append(notes, fmt.Sprintf("scale %v, zero point %d", v.Quant.Scale[0], v.Quant.Zero[0]))
	case v.Quant != nil:
		notes = append(notes, fmt.Sprintf("%d scales along axis %d", len(v.Quant.Scale), v.Quant.Axis))
	}
	if n := len(v.Labels); n > 0 {
		notes = append(notes, fmt.Sprintf("%d labels: %s", n, clip(strings.Join(v.Labels, ", "), 40)))
	}
	return strings.Join(notes, "; ")
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
