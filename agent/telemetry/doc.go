// Package telemetry counts what the worker does, for Prometheus and for people, sets up its log and speaks to the service manager.
//
// Holds: metric names and their meaning, a quantile estimate of fixed size, the slog handler, sd_notify.
// Never holds: decisions, HTTP routing, a global logger or a global metric set.
// May import: hal (the names of qualities), VictoriaMetrics/metrics, go-systemd/daemon.
// Start reading at: Metrics.
package telemetry
