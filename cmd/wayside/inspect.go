package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"wayside/graph"
)

// inspectJSON is what inspect --json prints.
type inspectJSON struct {
	Model       string         `json:"model"`
	Format      graph.Format   `json:"format"`
	FileBytes   int64          `json:"file_bytes"`
	About       aboutJSON      `json:"about"`
	Inputs      []ioJSON       `json:"inputs"`
	Outputs     []ioJSON       `json:"outputs"`
	State       []ioJSON       `json:"state"`
	Signatures  []sigJSON      `json:"signatures"`
	Operators   []operatorJSON `json:"operators"`
	Steps       []stepJSON     `json:"steps"`
	MACs        int64          `json:"macs"`
	ArenaBytes  int            `json:"arena_bytes"`
	WeightBytes int            `json:"weight_bytes"`
	ByDType     map[string]int `json:"weight_bytes_by_dtype"`
	Peak        peakJSON       `json:"peak"`
	Notes       []string       `json:"notes"`
}

// aboutJSON is what the file says about itself.
type aboutJSON struct {
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Version     string `json:"version,omitempty"`
	Author      string `json:"author,omitempty"`
	License     string `json:"license,omitempty"`
	Producer    string `json:"producer,omitempty"`
	MinRuntime  string `json:"min_runtime_version,omitempty"`
}

// sigJSON is one signature: names by the index of the input or output.
type sigJSON struct {
	Key     string        `json:"key"`
	Inputs  []bindingJSON `json:"inputs"`
	Outputs []bindingJSON `json:"outputs"`
}

type bindingJSON struct {
	Name  string `json:"name"`
	Index int    `json:"index"`
}

type stepJSON struct {
	Op     string        `json:"op"`
	Name   string        `json:"name"`
	Kernel string        `json:"kernel"`
	Depth  int           `json:"depth,omitempty"` // of steps inside a control operator, which follow it
	MACs   int64         `json:"macs"`
	Bytes  int64         `json:"bytes"`
	Live   int64         `json:"live_bytes"` // of the arena, in use while the step runs
	In     []operandJSON `json:"inputs"`
	Out    []operandJSON `json:"outputs"`
}

// operandJSON is one input or output of a step. Steps that name the same value exchange it.
type operandJSON struct {
	Value int    `json:"value"` // -1 for an optional input that is absent
	DType string `json:"dtype,omitempty"`
	Shape []int  `json:"shape"`
	Const bool   `json:"const,omitempty"`
}

// operatorJSON sums up the steps of one operator and kernel.
type operatorJSON struct {
	Op     string `json:"op"`
	Kernel string `json:"kernel"`
	Steps  int    `json:"steps"`
	MACs   int64  `json:"macs"`
	Bytes  int64  `json:"bytes"`
}

// peakJSON is the step during which most of the arena holds something.
type peakJSON struct {
	Step  int    `json:"step"` // -1 for a model without steps
	Op    string `json:"op"`
	Name  string `json:"name"`
	Bytes int64  `json:"live_bytes"`
}

func newInspectCmd() *cobra.Command {
	var (
		asJSON, steps bool
		svg, cache    string
		shapes        []string
	)
	cmd := &cobra.Command{
		Use:   "inspect MODEL",
		Short: "what a model takes and gives, how much memory it needs, which kernels run it",
		Long: `Load a model as the agent would and say what it takes and gives, the memory that it will use, exactly, and the kernel of every step.

The summary fits a screen. --steps lists every step, --json has everything, --svg draws the graph for a browser.
A model that cannot run is refused with exit code 2 and the whole list of what is unsupported.`,
		Example: `  wayside inspect kws.tflite
  wayside inspect kws.tflite --steps
  wayside inspect kws.tflite --svg kws.svg
  wayside inspect forecast.onnx --shape x=1,24,1 --json`,
		Args:              oneModel,
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("svg") {
				if svg == "" {
					return badInput(errors.New("inspect: --svg needs a file to draw into"))
				}
				if err := checkOut("--svg", svg); err != nil {
					return badInput(fmt.Errorf("inspect: %w", err))
				}
			}
			if asJSON && steps {
				return badInput(errors.New("inspect: --json has every step already; leave --steps out"))
			}
			plan, err := loadModel(cmd, args[0], shapes, cache)
			if err != nil {
				return fmt.Errorf("inspect: %w", err)
			}
			m := inspectPlan(args[0], plan)
			if svg != "" {
				if err := drawModel(svg, m); err != nil {
					return fmt.Errorf("inspect: %w", err)
				}
			}
			switch {
			case asJSON:
				return printJSON(cmd, m)
			case steps:
				err = printSteps(cmd.OutOrStdout(), m)
			default:
				err = printModel(cmd.OutOrStdout(), m)
			}
			if err == nil && svg != "" {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "\n%s: drawn, %s\n", svg, counted(len(m.Steps), "step"))
			}
			return err
		},
	}
	cacheFlag(cmd, &cache)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with every step")
	cmd.Flags().BoolVar(&steps, "steps", false, "list every step instead of the summary")
	cmd.Flags().StringVar(&svg, "svg", "", "draw the graph into this SVG `FILE`")
	cmd.Flags().StringArrayVar(&shapes, "shape", nil, "extents of an input with dynamic axes, `NAME=1,49,10,1`")
	completeFlags(cmd, map[string]string{"svg": "svg", "shape": ""})
	return cmd
}

func inspectPlan(path string, p *graph.Plan) *inspectJSON {
	a := p.Meta()
	m := &inspectJSON{
		Model: path, Format: p.Format(), Inputs: describeInputs(p), Outputs: describeOutputs(p), State: describeIO(p.State(), nil, nil), Signatures: []sigJSON{},
		About: aboutJSON{a.Name, a.Description, a.Version, a.Author, a.License, a.Producer, a.MinRuntime},
		Steps: []stepJSON{}, ArenaBytes: p.ArenaBytes(), WeightBytes: p.WeightBytes(), ByDType: p.WeightBytesByDType(), Peak: peakJSON{Step: -1},
	}
	if st, err := os.Stat(path); err == nil {
		m.FileBytes = st.Size()
	}
	for _, s := range a.Signatures {
		m.Signatures = append(m.Signatures, sigJSON{s.Key, bindings(s.Inputs), bindings(s.Outputs)})
	}
	for i, s := range p.Steps() {
		m.Steps = append(m.Steps, stepJSON{graph.CleanText(s.Op), s.Name, s.Kernel, s.Depth, s.MACs, s.Bytes, s.Live, operandsJSON(s.In), operandsJSON(s.Out)})
		m.MACs += s.MACs
		if s.Live > m.Peak.Bytes || m.Peak.Step < 0 {
			m.Peak = peakJSON{i, m.Steps[i].Op, s.Name, s.Live}
		}
	}
	m.Operators = sumSteps(m.Steps)
	m.Notes = noteworthy(p)
	if int64(m.WeightBytes) > m.FileBytes && m.FileBytes > 0 {
		m.Notes = append(m.Notes, "the weights take more memory than the file: its constants are unpacked for the kernels")
	}
	return m
}

func bindings(list []graph.Binding) []bindingJSON {
	out := make([]bindingJSON, len(list))
	for i, b := range list {
		out[i] = bindingJSON(b)
	}
	return out
}

func operandsJSON(list []graph.Operand) []operandJSON {
	out := make([]operandJSON, len(list))
	for i, o := range list {
		out[i] = operandJSON{int(o.Value), o.DType.String(), append([]int{}, o.Shape...), o.Const}
		if o.Value == graph.None {
			out[i].DType = ""
		}
	}
	return out
}

// noteworthy collects what a user should know before running the model.
func noteworthy(p *graph.Plan) []string {
	notes := []string{}
	say := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	used := map[graph.ValueID]bool{}
	for _, s := range p.Steps() {
		for _, o := range s.In {
			used[o.Value] = true
		}
	}
	var open []string
	for i, v := range p.Inputs() {
		if slices.Contains(v.Declared, -1) {
			open = append(open, graph.CleanText(v.Name)+openShape(v.Declared))
		}
		if !used[v.Value] {
			say("input %d %q has no effect on any output", i, v.Name)
		}
	}
	if len(open) > 0 {
		say("the file leaves axes of %s open; they are 1 unless --shape says otherwise", strings.Join(open, ", "))
	}
	for i, v := range p.Outputs() {
		if n := len(v.Meta.Labels); n > 0 && !v.Meta.ValueLabels && !placesLabelled(v) {
			say("output %d %q of shape %v has %d labels, which fit no axis that infer shows", i, v.Name, v.Shape, n)
		}
	}
	return append(notes, p.Meta().Notes...)
}

// sumSteps adds up the steps of one operator and kernel, the most work first.
func sumSteps(steps []stepJSON) []operatorJSON {
	sums := []operatorJSON{}
	for _, s := range steps {
		i := slices.IndexFunc(sums, func(t operatorJSON) bool { return t.Op == s.Op && t.Kernel == s.Kernel })
		if i < 0 {
			i = len(sums)
			sums = append(sums, operatorJSON{Op: s.Op, Kernel: s.Kernel})
		}
		sums[i].Steps++
		sums[i].MACs += s.MACs
		sums[i].Bytes += s.Bytes
	}
	slices.SortStableFunc(sums, func(a, b operatorJSON) int {
		return cmp.Or(cmp.Compare(b.MACs, a.MACs), cmp.Compare(b.Bytes, a.Bytes))
	})
	return sums
}

// drawModel writes the drawing as a whole or not at all.
func drawModel(path string, m *inspectJSON) error {
	return writeWhole(path, func(w io.Writer) error { return drawPlan(w, m) })
}
