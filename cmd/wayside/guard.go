package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"wayside/agent/config"
	"wayside/agent/guard"
	"wayside/agent/telemetry"
	"wayside/hal"
	_ "wayside/hal/sensors/all" // the drivers that configurations name
)

// guardMemory is what the guardian's heap may grow to before the collector works harder; it needs about a tenth of it.
const guardMemory = 3 << 20

func newGuardCmd() *cobra.Command {
	var path string
	var detached bool
	cmd := &cobra.Command{
		Use:   "guard --config FILE",
		Short: "own the outputs: grant requests within the rules, go safe otherwise",
		Long: `Run the guardian: the process that owns every output line of the configuration. It grants the worker's requests within the rules of
each output, takes outputs to their safe states when leases end, interlocks forbid or the worker is lost, and keeps the actuation record
in site.state_dir/guard. It ends at SIGTERM or Ctrl-C, with every output in its on_stop state.

If FILE is broken, the last good copy in the state folder is used: every output stays safe and requests are refused until a good file is reloaded.`,
		Example: `  wayside guard --config site.toml
  wayside guard status --socket guard.sock
  wayside guard reload --socket guard.sock --config site.toml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return badInput(errors.New("guard: --config FILE is missing"))
			}
			return runGuard(cmd, path, detached)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file")
	cmd.Flags().BoolVar(&detached, "detached", false, "ignore SIGINT and SIGHUP, as the child of a worker that a person may interrupt")
	cmd.AddCommand(newGuardStatusCmd(), newGuardReloadCmd())
	return cmd
}

func runGuard(cmd *cobra.Command, path string, detached bool) error {
	// A small process that must always find memory: few threads, an eager collector.
	runtime.GOMAXPROCS(min(2, runtime.GOMAXPROCS(0)))
	debug.SetGCPercent(20)
	debug.SetMemoryLimit(guardMemory)

	stops := []os.Signal{syscall.SIGTERM}
	if detached {
		signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
	} else {
		stops = append(stops, syscall.SIGINT, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), stops...)
	defer stop()

	o := guard.Options{Log: telemetry.NewLogger(cmd.ErrOrStderr(), slog.LevelInfo, os.Getenv("JOURNAL_STREAM") != "").With("component", "guard")}
	cfg, err := config.Load(path)
	if err != nil {
		last, lerr := lastGood(path)
		if lerr != nil {
			return badInput(errors.Join(err, lerr))
		}
		cfg, o.Broken = last, err
	}
	go func() {
		// What starting took goes back to the system.
		if hal.Sleep(ctx, hal.RealClock(), 3*time.Second) == nil {
			debug.FreeOSMemory()
		}
	}()
	return guard.Run(ctx, cfg, o)
}

// lastGood loads the copy of the newest configuration that was in force, as if it stood in the broken file's place.
func lastGood(path string) (*config.Config, error) {
	name := guard.LastGood(config.StateDirOf(path))
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("guard: there is no last good configuration either: %w", err)
	}
	cfg, err := config.Parse(text, path)
	if err != nil {
		return nil, fmt.Errorf("guard: the last good configuration %s is broken too: %w", name, err)
	}
	return cfg, nil
}

// dialGuard connects to a guardian for one command.
func dialGuard(ctx context.Context, socket string) (*guard.Client, error) {
	if socket == "" {
		return nil, badInput(errors.New("guard: --socket PATH is missing; it is guard.socket of the configuration, beside the file"))
	}
	c, err := guard.Dial(ctx, socket)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, absent(fmt.Errorf("guard: no guardian answers: %w", err))
	}
	return c, err
}

func newGuardStatusCmd() *cobra.Command {
	var socket string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status --socket PATH",
		Short: "show outputs, leases, interlocks and the record of a running guardian",
		Example: `  wayside guard status --socket guard.sock
  wayside guard status --socket guard.sock --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := dialGuard(cmd.Context(), socket)
			if err != nil {
				return err
			}
			s, err := c.Status(cmd.Context())
			if err = errors.Join(err, c.Close()); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, s)
			}
			return printGuardStatus(cmd, &s)
		},
	}
	cmd.Flags().StringVar(&socket, "socket", "", "the guardian's socket")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printGuardStatus(cmd *cobra.Command, s *guard.Status) error {
	out := cmd.OutOrStdout()
	round := func(ns int64) time.Duration { return time.Duration(ns).Round(time.Millisecond) }
	fmt.Fprintf(out, "guardian %d, %s, up %s, configuration %s\n", s.PID, s.Mode, round(s.BootNS-s.StartedNS), s.Config)
	if s.Reason != "" {
		fmt.Fprintf(out, "requests are refused: %s\n", s.Reason)
	}
	if s.WorkerPID == 0 {
		fmt.Fprintln(out, "no worker is connected")
	} else {
		fmt.Fprintf(out, "worker %d\n", s.WorkerPID)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "OUTPUT\tIS\tSAFE\tLEASE\tTASK\tOPS/H\tREFUSED\tREASON")
	for _, o := range s.Outputs {
		is, lease, reason := o.Value.String(), "-", o.Reason
		if !o.Known {
			is, reason = "unknown", o.Fault
		}
		if o.Task != "" {
			lease = round(o.LeaseNS).String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", o.Name, is, o.Safe, lease, o.Task, o.OpsHour, o.Refused, reason)
	}
	for _, i := range s.Interlocks {
		state := "permits"
		if i.Forbids {
			state = "FORBIDS"
		}
		fmt.Fprintf(w, "interlock %s\t%s\t%s\t\t\t\t\t%s\n", i.Name, state, i.Output, i.Reason)
	}
	for _, t := range s.Tasks {
		state := "no sign of it"
		if t.Alive {
			state = "alive"
		}
		fmt.Fprintf(w, "task %s\t%s\t\t\t\t\t\tlast progress %s ago\n", t.Name, state, round(t.SilentNS))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "record: %d written, %d on disk, slowest sync %s, %d errors %s\n", s.Record.LastSeq, s.Record.DurableSeq, round(s.Record.SlowestNS), s.Record.Errors, s.Record.LastError)
	return nil
}

func newGuardReloadCmd() *cobra.Command {
	var socket, path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reload --socket PATH --config FILE",
		Short: "bring another configuration into force in a running guardian",
		Long: `The file is checked first; if anything is wrong with it, the reasons are printed, the exit code is 2 and the configuration in force stays.
An output whose own table changed goes through its safe state; the others are not touched.`,
		Example: `  wayside guard reload --socket guard.sock --config site.toml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return badInput(errors.New("guard: --config FILE is missing"))
			}
			abs, err := filepath.Abs(path)
			if err != nil {
				return badInput(err)
			}
			c, err := dialGuard(cmd.Context(), socket)
			if err != nil {
				return err
			}
			err = c.Reload(cmd.Context(), abs)
			cerr := c.Close()
			var refused *guard.RefusedError
			if errors.As(err, &refused) {
				return badInput(err)
			}
			if err = errors.Join(err, cerr); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, struct {
					Config string `json:"config"`
				}{abs})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "in force: %s\n", abs)
			return nil
		},
	}
	cmd.Flags().StringVar(&socket, "socket", "", "the guardian's socket")
	cmd.Flags().StringVar(&path, "config", "", "configuration file")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
