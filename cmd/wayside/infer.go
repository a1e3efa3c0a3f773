package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"wayside/graph"
	"wayside/graph/feed"
	"wayside/kernels"
)

func newInferCmd() *cobra.Command {
	var o inferFlags
	cmd := &cobra.Command{
		Use:   "infer MODEL --in [NAME=]FILE ... [--out FILE.npz]",
		Short: "run a model on files",
		Long: `Run a model once, or once per row, on files.

Inputs are .npy, .npz, CSV, PNG, JPEG or WAV; the content tells which. Files without NAME fill the model's inputs in its order; an .npz of several
arrays fills inputs by name, or by the keys 0, 1, and so on. A name is the model's own or that of its signature. An array must have the model's dtype and shape; a leading axis of 1 may be left out. --quantize
applies the model's scale to float32 arrays, tables and sounds. A picture is resized to the model's size (half-pixel bilinear) and normalized
with --mean and --std, else as the model's metadata says; without either an 8-bit input takes the pixels themselves, int8 ones shifted by -128.

With --rows the first axis of every input counts samples. The model's state goes on from one sample to the next, unless --reset-each.
--out writes one array per output, with the keys 0, 1, and so on, in the model's order and dtype; with --rows they are stacked on a new first axis.
The file appears whole or not at all. Without --out the outputs are printed, with the labels that the model's file has.`,
		Example: `  wayside infer kws.tflite --in sample.npy --out result.npz
  wayside infer kws.tflite --in samples.npy --rows --out result.npz
  wayside infer gru.onnx --in x=x.npy --in h0=h0.npy --json
  wayside infer vad.tflite --in input_audio=frames.npy --rows
  wayside infer person.tflite --in photo.jpg
  wayside infer mobilenet.tflite --in photo.png --mean 127.5 --std 127.5
  wayside infer resnet50.onnx --in x.npy --threads 2
  wayside infer forecast.onnx --in series.csv --shape x=1,24,1 --out forecast.npz`,
		Args:              oneModel,
		ValidArgsFunction: completeModel,
		RunE:              func(cmd *cobra.Command, args []string) error { return infer(cmd, args[0], &o) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.in, "in", nil, "input file, `[NAME=]FILE`; once per input")
	f.StringVar(&o.out, "out", "", "write the outputs to this .npz `FILE`")
	f.BoolVar(&o.feed.Rows, "rows", false, "the first axis of every input counts samples")
	f.BoolVar(&o.resetEach, "reset-each", false, "with --rows: reset the model's state before every sample")
	f.StringArrayVar(&o.shapes, "shape", nil, "extents of an input with dynamic axes, `NAME=1,49,10,1`")
	f.BoolVar(&o.feed.Quantize, "quantize", false, "apply the model's scale to real values")
	f.Float32SliceVar(&o.feed.Mean, "mean", nil, "mean of a picture's pixels, one or one per channel; with --std")
	f.Float32SliceVar(&o.feed.Std, "std", nil, "standard deviation of a picture's pixels; with --mean")
	f.IntVar(&o.threads, "threads", 1, "threads that share the work of one run; more than there are CPUs are not used")
	cacheFlag(cmd, &o.cache)
	f.BoolVar(&o.json, "json", false, "print JSON; without --out it has the values too")
	cmd.MarkFlagsRequiredTogether("mean", "std")
	completeFlags(cmd, map[string]string{"out": "npz", "shape": "", "mean": "", "std": "", "threads": ""})
	return cmd
}

type inferFlags struct {
	in, shapes []string
	out, cache string
	threads    int
	resetEach  bool
	json       bool
	feed       feed.Options
}

func infer(cmd *cobra.Command, model string, o *inferFlags) error {
	if o.resetEach && !o.feed.Rows {
		return badInput(errors.New("infer: --reset-each has a meaning with --rows only"))
	}
	if err := checkOut("--out", o.out); err != nil {
		return badInput(fmt.Errorf("infer: %w", err))
	}
	if o.threads < 1 {
		return badInput(fmt.Errorf("infer: --threads %d: 1 or more are wanted", o.threads))
	}
	kernels.Threads(o.threads)
	plan, err := loadModel(cmd, model, o.shapes, o.cache)
	if err != nil {
		return fmt.Errorf("infer: %w", err)
	}
	if plan.Format() == graph.ONNX {
		o.feed.Rounding = feed.HalfEven
	}
	inputs, err := assignInputs(plan, o.in, o.feed)
	if err != nil {
		return badInput(fmt.Errorf("infer: %w", withRemedy(err)))
	}
	for _, s := range inputs {
		if s.Dropped > 0 {
			cmd.PrintErrf("infer: the last %d values of the sound do not fill a sample and are left out\n", s.Dropped)
		}
	}
	for _, n := range plan.Meta().Notes {
		cmd.PrintErrln("infer: note:", n)
	}
	progress := newProgress(cmd.ErrOrStderr())
	outputs, err := runSamples(cmd.Context(), plan, inputs, o.feed.Rows, o.resetEach, progress.at)
	progress.end()
	if err != nil {
		return fmt.Errorf("infer: %w", err)
	}
	if o.out != "" {
		if err := writeWhole(o.out, func(w io.Writer) error { return feed.WriteNPZ(w, outputs) }); err != nil {
			return fmt.Errorf("infer: %w", err)
		}
	}
	samples := 1
	if o.feed.Rows {
		samples = inputs[0].Count
	}
	if o.json {
		return printJSON(cmd, inferResult(model, o.out, plan, outputs, samples))
	}
	if o.out != "" {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s of %s\n", o.out, counted(len(outputs), "output"), counted(samples, "sample"))
		return err
	}
	return printOutputs(cmd.OutOrStdout(), plan.Outputs(), outputs, o.feed.Rows)
}

// withRemedy names the flag that helps against a mismatch.
func withRemedy(err error) error {
	switch {
	case errors.Is(err, feed.ErrNormalize):
		return fmt.Errorf("%w: see --mean and --std", err)
	case errors.Is(err, feed.ErrDType):
		return fmt.Errorf("%w: save it with that dtype, or give --quantize for real values in float32", err)
	case errors.Is(err, feed.ErrShape):
		return fmt.Errorf("%w: reshape it, give --rows if its first axis counts samples, or --shape if the model's axes are dynamic", err)
	}
	return err
}

// checkOut refuses an output path that could not be written, before any work is done.
func checkOut(flag, path string) error {
	if path == "" {
		return nil
	}
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		return fmt.Errorf("%s %s is not a regular file", flag, path)
	}
	if st, err := os.Stat(filepath.Dir(path)); err != nil || !st.IsDir() {
		return fmt.Errorf("%s %s: there is no folder %s", flag, path, filepath.Dir(path))
	}
	return nil
}

// writeWhole writes a file under a name of its own first, so that path has all of it or what was there before.
func writeWhole(path string, write func(io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(tmp.Name()))
		}
	}()
	err = write(tmp)
	if err == nil {
		err = tmp.Chmod(0o644) // results are for others to read; CreateTemp keeps them private
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// inferJSON is what infer --json prints.
type inferJSON struct {
	Model   string       `json:"model"`
	Format  graph.Format `json:"format"`
	Samples int          `json:"samples"`
	Out     string       `json:"out,omitempty"`
	Outputs []outputJSON `json:"outputs"`
}

type outputJSON struct {
	ioJSON
	Top    [][]topJSON `json:"top,omitempty"`    // for outputs with labels: of each sample the highest values, the highest first
	Values []jsonFloat `json:"values,omitempty"` // as the model has them, in C order; left out with --out
}

// topJSON is one value of an output with its label.
type topJSON struct {
	Index int       `json:"index"` // in the sample, in C order
	Label string    `json:"label"`
	Value jsonFloat `json:"value"` // real: scale × (stored − zero_point)
}

func inferResult(model, out string, plan *graph.Plan, outputs []feed.Named, samples int) inferJSON {
	r := inferJSON{Model: model, Format: plan.Format(), Samples: samples, Out: out}
	for i, d := range describeOutputs(plan) {
		d.Shape = slices.Clone(outputs[i].T.Shape)
		o := outputJSON{ioJSON: d, Top: topOf(plan.Outputs()[i], outputs[i].T, samples)}
		if out == "" {
			o.Values = rawValues(outputs[i].T)
		}
		r.Outputs = append(r.Outputs, o)
	}
	return r
}
