package telemetry

import (
	"io"
	"log/slog"
)

// NewLogger writes events as logfmt text to w. Under the journal of a service manager, which stamps lines itself, times are left out.
func NewLogger(w io.Writer, level slog.Level, managed bool) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if managed {
		o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(w, o))
}
