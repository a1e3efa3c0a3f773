package main

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wayside/agent/config"
	"wayside/graph/feed"
	"wayside/graph/load"
	_ "wayside/hal/sensors/all" // the drivers that configurations name
)

func newCheckCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "check a configuration: every problem with line, reason and remedy",
		Long: `Reads a configuration, its features and its models, and opens nothing else. Exit code 0 if it can be run; 2 with every problem that it has.
Whether the devices answer is what doctor looks at.`,
		Example: `  wayside check site.toml
  wayside check site.toml --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Load(args[0], checkFeatures, checkModels)
			var bad *config.Error
			switch {
			case errors.As(err, &bad):
				return printProblems(cmd, bad.Problems, asJSON)
			case err != nil:
				return badInput(err)
			case asJSON:
				return printJSON(cmd, summarize(cfg))
			}
			return printSummary(cmd, cfg)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// checkFeatures checks the words that only the feature code knows.
func checkFeatures(c *config.Config, report config.Report) {
	for i, t := range c.Tasks {
		f, err := feed.ParseFeatures(t.Features)
		if err != nil {
			report(fmt.Sprintf("task[%d].features", i), err.Error(), "")
			continue
		}
		if t.Period > 0 && f.Size(t.Slots()) == 0 {
			report(fmt.Sprintf("task[%d].features", i), fmt.Sprintf("give nothing from a window of %d slots", t.Slots()), "lengthen the window")
		}
	}
}

// checkModels loads every model and compares it with the tasks that use it.
func checkModels(c *config.Config, report config.Report) {
	for i, m := range c.Models {
		key := fmt.Sprintf("model[%d]", i)
		if m.File == "" {
			continue
		}
		path := c.Path(m.File)
		if _, err := os.Stat(path); err != nil {
			report(key+".file", err.Error(), "name a model file; relative paths start from "+c.Dir)
			continue
		}
		plan, err := load.File(path, load.Options{})
		if err != nil {
			report(key+".file", err.Error(), "wayside inspect shows what a model needs")
			continue
		}
		for j, t := range c.Tasks {
			if t.Model != m.Name || t.Period <= 0 {
				continue
			}
			if outs := plan.Outputs(); t.Score.Output >= len(outs) {
				report(fmt.Sprintf("task[%d].score.output", j), fmt.Sprintf("%d: model %q has %d outputs", t.Score.Output, m.Name, len(outs)), "outputs count from 0")
			} else if n, err := outs[t.Score.Output].Shape.Elems(); err == nil && t.Score.Index >= n {
				report(fmt.Sprintf("task[%d].score.index", j), fmt.Sprintf("%d: that output of model %q has %d elements", t.Score.Index, m.Name, n), "elements count from 0")
			}
			f, err := feed.ParseFeatures(t.Features)
			if ins := plan.Inputs(); err == nil && len(ins) > 0 {
				want, err := ins[0].Shape.Elems()
				if have := f.Size(t.Slots()) * len(t.Sensors); err == nil && have != want {
					report(fmt.Sprintf("task[%d].model", j), fmt.Sprintf("sensors, window and features give %d numbers, input %q of model %q takes %d", have, ins[0].Name, m.Name, want),
						"change window, features or sensors")
				}
			}
		}
	}
}

func printProblems(cmd *cobra.Command, problems []config.Problem, asJSON bool) error {
	if asJSON {
		err := printJSON(cmd, struct {
			Error    string           `json:"error"`
			Problems []config.Problem `json:"problems"`
		}{fmt.Sprintf("%d problems", len(problems)), problems})
		return errors.Join(err, reported(exitInput))
	}
	for _, p := range problems {
		cmd.PrintErrln(p)
	}
	return reported(exitInput)
}

// siteSummary is what check says of a good file.
type siteSummary struct {
	Site       string   `json:"site"`
	StateDir   string   `json:"state_dir"`
	Socket     string   `json:"socket"`
	Listen     string   `json:"listen,omitempty"`
	Buses      []string `json:"buses"`
	Sensors    []string `json:"sensors"`
	Models     []string `json:"models"`
	Tasks      []string `json:"tasks"`
	Outputs    []string `json:"outputs"`
	Interlocks []string `json:"interlocks"`
}

func summarize(c *config.Config) siteSummary {
	s := siteSummary{Site: c.Site.Name, StateDir: c.StateDir(), Socket: c.SocketPath(), Listen: c.Agent.Listen,
		Buses: []string{}, Sensors: []string{}, Models: []string{}, Tasks: []string{}, Outputs: []string{}, Interlocks: []string{}}
	for _, x := range c.Buses {
		s.Buses = append(s.Buses, fmt.Sprintf("%s (%s)", x.Name, x.Kind))
	}
	for _, x := range c.Sensors {
		where := x.Driver
		if x.Bus != "" {
			where += " on " + x.Bus
		}
		s.Sensors = append(s.Sensors, fmt.Sprintf("%s (%s, every %s)", x.Name, where, x.Period))
	}
	for _, x := range c.Models {
		s.Models = append(s.Models, fmt.Sprintf("%s (%s)", x.Name, x.File))
	}
	for _, x := range c.Tasks {
		text := fmt.Sprintf("%s: %v every %s, %d slots, model %s", x.Name, x.Sensors, x.Period, x.Slots(), x.Model)
		for _, r := range x.Rules {
			text += fmt.Sprintf("; rule %s asks for %s", r.Name, r.Output)
		}
		s.Tasks = append(s.Tasks, text)
	}
	for _, x := range c.Outputs {
		s.Outputs = append(s.Outputs, fmt.Sprintf("%s (%s): safe %s, for %v", x.Name, x.Kind, x.Safe, x.Tasks))
	}
	for _, x := range c.Interlocks {
		s.Interlocks = append(s.Interlocks, fmt.Sprintf("%s: forbids %s %s when %s", x.Name, x.Forbids, x.Value, x.When))
	}
	return s
}

func printSummary(cmd *cobra.Command, c *config.Config) error {
	s := summarize(c)
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s:\tgood\n", c.File)
	fmt.Fprintf(w, "site\t%s\n", s.Site)
	fmt.Fprintf(w, "state\t%s\n", s.StateDir)
	fmt.Fprintf(w, "guardian\t%s\n", s.Socket)
	if s.Listen != "" {
		fmt.Fprintf(w, "page\t%s\n", s.Listen)
	}
	for _, group := range []struct {
		name string
		list []string
	}{{"bus", s.Buses}, {"sensor", s.Sensors}, {"model", s.Models}, {"task", s.Tasks}, {"output", s.Outputs}, {"interlock", s.Interlocks}} {
		for _, x := range group.list {
			fmt.Fprintf(w, "%s\t%s\n", group.name, x)
		}
	}
	return w.Flush()
}
