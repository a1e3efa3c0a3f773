// Package agent is the worker: it wires sensors, models, rules, the guardian's client, the journal and the page together, and keeps
// them running through reloads.
//
// Holds: start, stop and reload of the parts; the guardian's process where no service manager keeps it; the records that others read.
// Never holds: drivers, model formats, rules' arithmetic, output logic.
// May import: its own subfolders, graph/feed, hal.
// Start reading at: Run.
package agent
