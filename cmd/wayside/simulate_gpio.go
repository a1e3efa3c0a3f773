package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wayside/hal"
	"wayside/hal/sim/gpiochip"
	"wayside/hal/sim/socket"
)

func newSimulateGPIOCmd() *cobra.Command {
	var (
		opt                        gpiochip.Options
		path, record, release, rdy string
		pull                       string
		asJSON                     bool
	)
	cmd := &cobra.Command{
		Use:   "gpio --socket SOCKET --record FILE",
		Short: "a simulated GPIO chip that outlives its users and records every change",
		Long: `A GPIO chip as a process of its own. Output kind "sim" and sensor driver "sim-input" use its lines. A connection owns the lines it
requested; when it ends, however it ends, they are released: kept at their level as outputs, or reverted to inputs. Every claim, release and
change of level or direction is appended to the record as one line of JSON with CLOCK_BOOTTIME.`,
		Example: `  wayside simulate gpio --socket gpio.sock --record gpio.jsonl --lines 8 --on-release revert
  wayside simulate gpio --socket gpio.sock --record gpio.jsonl --lines 2 --line-names sign,door --pull up`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if path == "" || record == "" {
				return badInput(errors.New("simulate gpio: --socket and --record are both needed, see --help"))
			}
			switch pull {
			case "down":
			case "up":
				opt.PullUp = true
			default:
				return badInput(fmt.Errorf("simulate gpio: --pull %q: give up or down", pull))
			}
			// A chip does not end because the terminal of who plugged it in does.
			signal.Ignore(syscall.SIGHUP)
			l, err := socket.Listen(path)
			if err != nil {
				return deviceError(fmt.Errorf("simulate gpio: %w", err))
			}
			rec, err := gpiochip.OpenRecorder(record)
			if err != nil {
				_ = l.Close() // nothing is served yet
				return badInput(fmt.Errorf("simulate gpio: %w", err))
			}
			defer func() { err = errors.Join(err, rec.Close()) }()
			opt.OnRelease = gpiochip.OnRelease(release)
			chip, err := gpiochip.New(opt, hal.RealClock(), rec)
			if err != nil {
				_ = l.Close() // nothing is served yet
				return deviceError(fmt.Errorf("simulate gpio: %w", err))
			}
			o := chip.Options()
			ready := map[string]any{"socket": path, "record": record, "name": o.Name, "lines": o.Lines, "on_release": o.OnRelease, "pid": os.Getpid()}
			text := fmt.Sprintf("gpio chip %s: %d lines on %s, record %s, lines are %s on release", o.Name, o.Lines, path, record, map[gpiochip.OnRelease]string{gpiochip.Keep: "kept", gpiochip.Revert: "reverted"}[o.OnRelease])
			if err := announce(cmd, asJSON, ready, text, rdy, path); err != nil {
				_ = l.Close() // nothing is served yet
				return err
			}
			return gpiochip.Serve(cmd.Context(), l, chip)
		},
	}
	f := cmd.Flags()
	f.StringVar(&path, "socket", "", "Unix socket to listen on (needed)")
	f.StringVar(&record, "record", "", "file to append the record to (needed)")
	f.IntVar(&opt.Lines, "lines", 8, "number of lines, 1 to 64")
	f.StringVar(&opt.Name, "name", "sim0", "label of the chip")
	f.StringSliceVar(&opt.LineNames, "line-names", nil, "names of the lines, from line 0 on")
	f.StringVar(&release, "on-release", "keep", "what an output line does when its owner goes: keep or revert")
	f.StringVar(&pull, "pull", "down", "level of inputs that nothing drives: down or up")
	f.StringVar(&rdy, "ready-file", "", "file that appears when the chip is ready; it holds the socket's path")
	f.BoolVar(&asJSON, "json", false, "print one JSON value when the chip is ready")
	return cmd
}

func newSimulateLinesCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "lines SOCKET",
		Short:   "show the lines of a simulated GPIO chip without claiming any",
		Example: "  wayside simulate lines gpio.sock --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := gpiochip.Dial(cmd.Context(), args[0])
			if err != nil {
				return deviceError(err)
			}
			defer func() { _ = c.Close() }() // nothing was claimed
			lines, err := c.Lines(cmd.Context())
			if err != nil {
				return deviceError(err)
			}
			if asJSON {
				return printJSON(cmd, lines)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "LINE\tNAME\tDIRECTION\tLEVEL\tOWNER") // Flush returns the error
			for _, l := range lines {
				owner := "-"
				if l.Owned {
					owner = fmt.Sprintf("%s (process %d)", l.Consumer, l.PID)
				}
				_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\n", l.Line, l.Name, l.Direction, l.Level, owner)
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newSimulateDriveCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "drive SOCKET LINE LEVEL",
		Short: "drive an input of a simulated GPIO chip from outside, as a door contact does",
		Example: `  wayside simulate drive gpio.sock 5 1
  wayside simulate drive gpio.sock 5 0`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			line, err := strconv.Atoi(args[1])
			if err != nil {
				return badInput(fmt.Errorf("simulate drive: line %q is no number", args[1]))
			}
			if args[2] != "0" && args[2] != "1" {
				return badInput(fmt.Errorf("simulate drive: level %q: give 0 or 1", args[2]))
			}
			c, err := gpiochip.Dial(cmd.Context(), args[0])
			if err != nil {
				return deviceError(err)
			}
			defer func() { _ = c.Close() }() // nothing was claimed
			if _, err := c.Line(cmd.Context(), line); err != nil {
				return deviceError(err)
			}
			return deviceError(c.Drive(cmd.Context(), "simulate drive", gpiochip.LineRequest{Line: line, Level: int(args[2][0] - '0')}))
		},
	}
}
