package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"wayside/agent/demo"
	firmwareconfig "wayside/firmware-config"
)

func newDemoCmd() *cobra.Command {
	var (
		o      demo.Options
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "run a simulated roadside cabinet on measured data",
		Long: `Measured speeds of a road detector are replayed as Modbus registers, five minutes in 100 ms. An int8 network scores them, a rule asks for
the SLOW DOWN sign, and the guardian switches it: every process is the real one, only the devices are simulated. Half way a better model is dropped in and taken,
then two damaged ones and one that behaves badly are dropped in and refused.

It needs no hardware, no network beyond loopback and no root, and leaves nothing behind unless --keep names a folder. Ctrl-C ends it early.
With --json the summary is one JSON value on stdout; what happens goes to stderr.`,
		Example: `  wayside demo
  wayside demo --duration 30s --json
  wayside demo --port 8080 --keep demo-run       the folder has configuration, journals, logs and the sign's record`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("demo: finding this program to start its parts: %w", err)
			}
			if o.Assets, err = fs.Sub(firmwareconfig.FS, "demo"); err != nil {
				return fmt.Errorf("demo: %w", err)
			}
			o.Binary, o.Out = self, cmd.OutOrStdout()
			if asJSON {
				o.Out = cmd.ErrOrStderr()
			}
			o.Color = isTerminal(o.Out) && os.Getenv("NO_COLOR") == ""
			sum, err := demo.Run(cmd.Context(), o)
			var in *demo.InputError
			if errors.As(err, &in) {
				return badInput(err)
			}
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd, sum)
			} else {
				err = sum.Print(cmd.OutOrStdout())
			}
			if err != nil {
				return fmt.Errorf("demo: print the summary: %w", err)
			}
			if sum.IllegalTransitions > 0 {
				return reported(exitFailed)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.DurationVar(&o.Duration, "duration", demo.DefaultDuration, "length of the replay, at least "+demo.MinDuration.String()+"; start and end take a few seconds more")
	f.BoolVar(&asJSON, "json", false, "print the summary as JSON")
	f.IntVar(&o.Port, "port", 0, "port of the status page on loopback; 0 takes a free one")
	f.StringVar(&o.Keep, "keep", "", "work in this folder, new or empty, and leave it behind")
	return cmd
}

// isTerminal reports whether w is a terminal.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
