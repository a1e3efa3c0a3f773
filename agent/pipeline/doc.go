// Package pipeline turns sensor readings into requests to the guardian: pollers, windows, features, model steps, scores, rules.
//
// Holds: one poller per sensor on an absolute schedule, one loop per task, the rules with hysteresis and hold-off.
// Never holds: outputs (the guardian owns them), model files, HTTP, a journal, a logger; what happens is told to a Sink.
// May import: hal, graph/feed, agent/config, agent/guard (the request's types), agent/release (the model's slot).
// Start reading at: Poller, Task, Rule.
package pipeline
