package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"wayside/kernels"
)

// newRootCmd builds the whole command tree. started turns true when a verb's own code begins to run: an error before
// that is a mistake in the command line.
func newRootCmd() (root *cobra.Command, started *bool) {
	root = &cobra.Command{
		Use:   "wayside",
		Short: "run quantized models beside the sensors and outputs of a Linux gateway",
		Long: `Wayside turns a Linux gateway into an inference node: it polls sensors, runs quantized
models (.tflite and .onnx as they are) and drives outputs through a guardian process.`,
		Example: `  wayside demo                                   a simulated roadside cabinet, nothing to set up
  wayside inspect model.tflite                   what a model needs and which kernels it gets
  wayside infer model.tflite --in x.npy --out y.npz
  wayside check site.toml && wayside run --config site.toml`,
		SilenceErrors: true, // report prints them, once
		SilenceUsage:  true,
		Args:          knownVerb,
		// Two letters wrong are still a verb that somebody meant.
		SuggestionsMinimumDistance: 2,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	// One line per verb, in the file of the same name. Keep them sorted inside their group.
	groups := []struct {
		id, title string
		verbs     []*cobra.Command
	}{
		{"node", "Run a node:", []*cobra.Command{
			needsKernels(newCheckCmd()),
			newDoctorCmd(),
			newGuardCmd(),
			needsKernels(newRunCmd()),
		}},
		{"models", "Work with models:", []*cobra.Command{
			needsKernels(newBenchCmd()),
			needsKernels(newInferCmd()),
			needsKernels(newInspectCmd()),
		}},
		{"try", "Try without hardware:", []*cobra.Command{
			needsKernels(newDemoCmd()),
			newSimulateCmd(),
		}},
		{"about", "About this program:", []*cobra.Command{
			newVersionCmd(),
		}},
	}
	for _, g := range groups {
		if len(g.verbs) == 0 {
			continue
		}
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, v := range g.verbs {
			v.GroupID = g.id
			root.AddCommand(v)
		}
	}
	root.SetHelpCommandGroupID("about")
	root.SetCompletionCommandGroupID("about")
	started = new(bool)
	markStart(root, started)
	return root, started
}

// knownVerb refuses arguments of the root: they are verbs that do not exist.
func knownVerb(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	near := ""
	if s := root.SuggestionsFor(args[0]); len(s) > 0 {
		near = "; did you mean " + strings.Join(s, " or ") + "?"
	}
	return fmt.Errorf("there is no verb %q%s", args[0], near)
}

// needsKernels makes a verb that loads models fail at once when WAYSIDE_KERNELS names no tier: whoever set it wants to know which kernels run.
func needsKernels(c *cobra.Command) *cobra.Command {
	run := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := kernels.LimitError(); err != nil {
			return badInput(fmt.Errorf("%s: %w", cmd.Name(), err))
		}
		return run(cmd, args)
	}
	return c
}

// markStart makes every verb of the tree note that its code began.
func markStart(c *cobra.Command, started *bool) {
	if run := c.RunE; run != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			*started = true
			return run(cmd, args)
		}
	}
	for _, sub := range c.Commands() {
		markStart(sub, started)
	}
}
