// Package release takes new models into a running worker without a pause, and throws out those that misbehave.
//
// Holds: the drop folder and its manifest, inflation under a cap, self-test on golden values, the behaviour test, the swap at
// a step boundary, probation and roll back, the record of what is active and what was refused.
// Never holds: sensors, windows, rules, outputs, HTTP, a logger.
// May import: graph, graph/load, graph/tensor, graph/feed.
// Start reading at: Manager, Slot.
//
// A drop is a folder:
//
//	releases/incident-2.0.0/
//	  release.toml   model = "incident", file, version, [sha256] of every other file, [golden] tolerance
//	  model.tflite   as it is or zstd-compressed; told by content
//	  golden.npz     in0, in1, … and out0, out1, …; the first axis counts samples, state is reset before each
//
// Each drop goes seen → hashed → loaded → self_tested → behaved → swapped → confirmed; at any step it may become
// refused, and after the swap rolled_back. The model that ran before goes on running in every case but confirmed.
package release
