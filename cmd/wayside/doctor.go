package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wayside/agent/doctor"
	"wayside/kernels"
)

func newDoctorCmd() *cobra.Command {
	var (
		file   string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "doctor [--config FILE]",
		Short: "what would keep this machine or this configuration from working, and what to do",
		Long: `Looks at the kernels that this CPU can run, the clock, memory, disk, models, journals, the guardian, the status page's address, sensors and outputs, and prints one line for
each: ok, warning or red, with the remedy. Looking never hurts: no line is requested, no output set, and sensors that a running worker reads are
left to it. Exit code 0 without a red line; 2 if the configuration or a model is wrong, 3 if a device is missing, 1 for anything else.`,
		Example: `  wayside doctor
  wayside doctor --config site.toml
  wayside doctor --config site.toml --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found := append([]doctor.Finding{kernelFinding()}, doctor.Examine(cmd.Context(), doctor.ThisHost(), file)...)
			if asJSON {
				report := struct {
					Version  string           `json:"version"`
					Target   string           `json:"target"`
					Findings []doctor.Finding `json:"findings"`
				}{buildVersion().Version, buildVersion().Target, found}
				if err := printJSON(cmd, report); err != nil {
					return err
				}
			} else if err := printFindings(cmd, found); err != nil {
				return err
			}
			return doctorVerdict(found)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "site's configuration file; without it only the machine is looked at")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

// kernelFinding says which kernel tiers the machine has and what WAYSIDE_KERNELS makes of them.
func kernelFinding() doctor.Finding {
	f := doctor.Finding{Check: "kernels", Level: doctor.OK}
	names, has := kernels.Tiers()
	var have, lack []string
	for i, n := range names {
		if has[i] {
			have = append(have, n)
		} else {
			lack = append(lack, n)
		}
	}
	f.Detail = fmt.Sprintf("%s; this CPU has %s", kernels.Best(), strings.Join(have, ", "))
	if len(lack) > 0 {
		f.Detail += ", not " + strings.Join(lack, ", ")
	}
	limit := os.Getenv("WAYSIDE_KERNELS")
	if err := kernels.LimitError(); err != nil {
		f.Level, f.Cause, f.Detail = doctor.Red, doctor.Input, err.Error()
		f.Remedy = "unset WAYSIDE_KERNELS, or set it to one of these"
	} else if limit != "" {
		f.Detail += "; WAYSIDE_KERNELS is " + limit
		if kernels.Best() != have[len(have)-1] {
			f.Level, f.Remedy = doctor.Warning, "unset WAYSIDE_KERNELS for the fastest ones, unless it is meant"
		}
	}
	return f
}

func printFindings(cmd *cobra.Command, found []doctor.Finding) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, f := range found {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Level, f.Check, f.Detail)
		if f.Remedy != "" {
			fmt.Fprintf(w, "\t\t→ %s\n", f.Remedy)
		}
	}
	return w.Flush()
}

// doctorVerdict is the exit code of the gravest cause: wrong input before a missing device before the rest.
func doctorVerdict(found []doctor.Finding) error {
	codes := map[doctor.Cause]int{doctor.Input: exitInput, doctor.Hardware: exitAbsent, doctor.Machine: exitFailed}
	for _, cause := range []doctor.Cause{doctor.Input, doctor.Hardware, doctor.Machine} {
		for _, f := range found {
			if f.Level == doctor.Red && f.Cause == cause {
				return reported(codes[cause])
			}
		}
	}
	return nil
}
