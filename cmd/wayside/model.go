package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"wayside/graph"
	"wayside/graph/feed"
	"wayside/graph/load"
	"wayside/graph/tensor"
	"wayside/kernels"
)

// oneModel checks the arguments of a verb on one model.
func oneModel(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("MODEL is missing: name a .tflite or .onnx file")
	case 1:
		return nil
	}
	return fmt.Errorf("one MODEL is wanted, there are %d: %q", len(args), args)
}

// noModel checks the arguments of a verb that runs without a model.
func noModel(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("no MODEL is wanted here, there is %q", args)
	}
	return nil
}

// completeModel offers model files for the first argument and nothing for others.
func completeModel(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"tflite", "onnx"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeFlags tells the shell which files a flag takes, by extension; flags without one take no files.
func completeFlags(cmd *cobra.Command, ext map[string]string) {
	for flag, e := range ext {
		if e != "" {
			must(cmd.MarkFlagFilename(flag, e))
			continue
		}
		must(cmd.RegisterFlagCompletionFunc(flag, cobra.NoFileCompletions))
	}
}

// must panics on mistakes of the program itself, such as a flag that does not exist.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// counted writes 1 sample, 2 samples.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ioJSON describes one input, output or state in the JSON of infer and inspect.
type ioJSON struct {
	Index     int        `json:"index"`
	Name      string     `json:"name"`
	Signature string     `json:"signature_name,omitempty"` // its name in the first signature that has one
	DType     string     `json:"dtype"`
	Shape     []int      `json:"shape"`
	Quant     *quantJSON `json:"quantization"` // null when the values are not quantized
	Meta      *metaJSON  `json:"metadata,omitempty"`
	Labels    []string   `json:"labels,omitempty"`
	value     int        // what steps call it
}

// metaJSON is what the file's metadata says of one input or output.
type metaJSON struct {
	Name        string    `json:"name,omitempty"`
	Description string    `json:"description,omitempty"`
	Mean        []float32 `json:"mean,omitempty"`
	Std         []float32 `json:"std,omitempty"`
	Min         []float32 `json:"min,omitempty"`
	Max         []float32 `json:"max,omitempty"`
	ValueLabels bool      `json:"value_labels,omitempty"` // the labels name values, not places on the last axis
}

// quantJSON says r = scale × (q − zero_point); several scales hold along axis.
type quantJSON struct {
	Scale []float32 `json:"scale"`
	Zero  []int32   `json:"zero_point"`
	Axis  int       `json:"axis"`
}

func describeInputs(p *graph.Plan) []ioJSON {
	return describeIO(p.Inputs(), p.Meta().Signatures, func(s graph.Signature) []graph.Binding { return s.Inputs })
}

func describeOutputs(p *graph.Plan) []ioJSON {
	return describeIO(p.Outputs(), p.Meta().Signatures, func(s graph.Signature) []graph.Binding { return s.Outputs })
}

func describeIO(ios []graph.IO, sigs []graph.Signature, of func(graph.Signature) []graph.Binding) []ioJSON {
	out := make([]ioJSON, len(ios))
	for i, v := range ios {
		m := &v.Meta
		out[i] = ioJSON{Index: i, Name: v.Name, DType: v.DType.String(), Shape: append([]int{}, v.Shape...), Labels: m.Labels, value: int(v.Value)}
		if v.Quant != nil && len(v.Quant.Scale) > 0 {
			out[i].Quant = &quantJSON{v.Quant.Scale, v.Quant.Zero, v.Quant.Axis}
		}
		if m.Name != "" || m.Description != "" || m.Mean != nil || m.ValueLabels || len(m.Min)+len(m.Max) > 0 {
			out[i].Meta = &metaJSON{m.Name, m.Description, m.Mean, m.Std, finite(m.Min), finite(m.Max), m.ValueLabels}
		}
		for _, s := range sigs {
			for _, b := range of(s) {
				if b.Index == i && out[i].Signature == "" {
					out[i].Signature = b.Name
				}
			}
		}
	}
	return out
}

// finite returns nil for a list that JSON has no numbers for.
func finite(v []float32) []float32 {
	if slices.ContainsFunc(v, func(x float32) bool { return math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) }) {
		return nil
	}
	return v
}

// parseShapes reads the values of --shape: NAME=1,49,10,1. A name may contain '='; the last one divides.
func parseShapes(args []string) (map[string][]int, error) {
	shapes := map[string][]int{}
	for _, a := range args {
		eq := strings.LastIndexByte(a, '=')
		if eq < 1 {
			return nil, fmt.Errorf("--shape %s: NAME=1,49,10,1 is wanted", a)
		}
		var shape []int
		for _, f := range strings.Split(a[eq+1:], ",") {
			n, err := strconv.Atoi(strings.TrimSpace(f))
			if err != nil || n < 1 || n > tensor.MaxElems {
				return nil, fmt.Errorf("--shape %s: %q is not a length of 1 or more", a, f)
			}
			shape = append(shape, n)
		}
		if _, twice := shapes[a[:eq]]; twice {
			return nil, fmt.Errorf("--shape %s: input %q is given twice", a, a[:eq])
		}
		shapes[a[:eq]] = shape
	}
	return shapes, nil
}

// cacheFlag adds --cache to a verb that loads a model.
func cacheFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "cache", "", "keep packed weights in this `FOLDER` for the next time")
	must(cmd.MarkFlagDirname("cache"))
}

// loadModel loads the model at path with the values of --shape and --cache. All its errors are of the input: exit code 2.
func loadModel(cmd *cobra.Command, path string, shapeArgs []string, cache string) (*graph.Plan, error) {
	shapes, err := parseShapes(shapeArgs)
	if err != nil {
		return nil, badInput(err)
	}
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return nil, badInput(fmt.Errorf("%s is a folder, a .tflite or .onnx file is wanted", path))
	}
	o := load.Options{Shapes: shapes}
	if cache != "" {
		o.Cache = &load.Cache{Dir: cache, Kernels: buildVersion().Version + " " + kernels.Panels(), Note: func(err error) {
			cmd.PrintErrf("%s: note: %v\n", cmd.Name(), err)
		}}
	}
	plan, err := load.File(path, o)
	return plan, badInput(err)
}

// target is one model input as graph/feed wants it. ONNX rounds halves to even and keeps pictures channels first.
func target(f graph.Format, v graph.IO) feed.Target {
	return feed.Target{Name: v.Name, DType: v.DType, Shape: v.Shape, Quant: v.Quant, ChannelsFirst: f == graph.ONNX, Mean: v.Meta.Mean, Std: v.Meta.Std}
}
