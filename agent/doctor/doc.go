// Package doctor looks at a machine and a configuration and says what would keep Wayside from working, and what to do.
//
// Holds: one function per thing that is looked at. Looking never hurts: no line is requested, no output set, no watchdog opened,
// and sensors that a running worker reads are left to it.
// Never holds: repairs.
// May import: agent/config, agent/guard, agent/journal, graph, graph/load, hal.
// Start reading at: Examine.
package doctor
