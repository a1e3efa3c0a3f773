package telemetry

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready tells the service manager that the service is up; without one it does nothing.
func Ready() error {
	_, err := daemon.SdNotify(false, daemon.SdNotifyReady)
	return err
}

// Stopping tells the service manager that an orderly stop has begun.
func Stopping() error {
	_, err := daemon.SdNotify(false, daemon.SdNotifyStopping)
	return err
}

// Watchdog answers the service manager's watchdog at half its interval while alive says so, until ctx ends. It returns at once when
// no watchdog is asked for.
func Watchdog(ctx context.Context, alive func() bool) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every <= 0 {
		return
	}
	t := time.NewTicker(every / 2)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if alive() {
				// The manager restarts us if it does not hear of us: no better reaction to an error exists.
				_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog)
			}
		}
	}
}
