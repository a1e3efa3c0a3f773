// Package guard is the guardian: the process that owns every output line, and the client through which the worker asks it.
//
// Holds: the rules of outputs (core.go, no input or output of its own), the process around them, its socket protocol, its client.
// Never holds: a model, a score, a threshold, a network listener, a parser of foreign data.
// May import: agent/config, agent/journal, hal; of others only the standard library, x/sys and go-systemd's daemon.
// Start reading at: core.go (Core), then run.go (Run) and protocol.go.
//
// The worker's side:
//
//	c, err := guard.Dial(ctx, cfg.SocketPath())
//	rep, err := c.Request(ctx, guard.Request{Task: "incident", Output: "sign", Value: 1, DecisionID: id,
//		InputBoot: oldest.Boot, Quality: oldest.Quality, Lease: time.Second})
//	if err == nil && !rep.Accepted { record(rep.Reason) }
//	err = c.Heartbeat("incident", 100*time.Millisecond)
package guard
