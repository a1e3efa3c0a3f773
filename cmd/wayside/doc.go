// Command wayside is the one binary of the project: agent, guardian, model tools and simulators.
//
// Holds: flags, wiring, exit codes.
// Never holds: logic that another program could want; that lives in the packages it calls.
// May import: agent, quant, graph, graph/load, graph/tensor, graph/feed, hal, hal/sensors/all, firmware-config, kernels.
// Start reading at: root.go for the list of verbs, exit.go for what an error becomes.
package main
