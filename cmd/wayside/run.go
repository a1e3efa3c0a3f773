package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"wayside/agent"
	"wayside/agent/config"
	"wayside/agent/telemetry"
	_ "wayside/hal/sensors/all" // the drivers that configurations name
	"wayside/kernels"
)

func newRunCmd() *cobra.Command {
	var path string
	var noGuard, verbose bool
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "poll sensors, run models, ask the guardian for outputs",
		Long: `Run the worker: poll sensors, run models, apply rules and ask the guardian for outputs, until SIGTERM or Ctrl-C.

Without a service manager it also starts the guardian, in a session of its own, unless one answers on the configured socket; a guardian that dies is
started again. At an orderly stop the outputs go to their on_stop states and that guardian ends too. If the worker is killed, the guardian stays and holds safe states.

SIGHUP, or POST /api/reload on the page's address, reads the configuration again; a faulty one changes nothing.`,
		Example: `  wayside check site.toml && wayside run --config site.toml
  wayside run --config site.toml --no-guard-start     the guardian is a service of its own
  kill -HUP "$(pgrep -f 'wayside run')"               read the configuration again`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return badInput(errors.New("run: --config FILE is missing"))
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			o := agent.Options{Config: path, Version: buildVersion().Version, Kernels: kernels.Panels(), Reload: hangups(ctx), Configured: setThreads,
				Log: telemetry.NewLogger(cmd.ErrOrStderr(), level, os.Getenv("JOURNAL_STREAM") != "")}
			if !noGuard {
				self, err := os.Executable()
				if err != nil {
					return fmt.Errorf("run: finding this program to start the guardian: %w", err)
				}
				o.Guardian = []string{self}
			}
			err := agent.Run(ctx, o)
			var in *agent.InputError
			if errors.As(err, &in) {
				return badInput(err)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file")
	cmd.Flags().BoolVar(&noGuard, "no-guard-start", false, "never start or end a guardian: a service manager keeps it")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "log every step of a dropped model too")
	return cmd
}

// setThreads gives the models of a site the threads that it asks for.
func setThreads(c *config.Config) { kernels.Threads(c.Site.Threads) }

// hangups turns SIGHUP into reload requests until ctx ends. While one waits, further ones are the same.
func hangups(ctx context.Context) <-chan string {
	sig, out := make(chan os.Signal, 1), make(chan string, 1)
	signal.Notify(sig, syscall.SIGHUP)
	go func() {
		defer signal.Stop(sig)
		for {
			select {
			case <-ctx.Done():
				return
			case <-sig:
				select {
				case out <- "SIGHUP":
				default:
				}
			}
		}
	}()
	return out
}
