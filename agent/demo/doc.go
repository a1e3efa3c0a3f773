// Package demo runs a simulated roadside cabinet on measured data: real processes of the same binary, simulated devices, real models.
//
// Holds: unpacking the assets, the replayed table, the division of times, starting and stopping the processes, telling what happens, the summary.
// Never holds: anything the worker or the guardian needs to run; the assets themselves (firmware-config/demo, handed in as an fs.FS).
// May import: agent and its subfolders, hal.
// Start reading at: Run.
//
// Worker and guardian know nothing of the demo: they get a configuration with ordinary times, real sockets and a Modbus device. What the
// summary says comes from outside or from their records: the simulated chip's own record, both journals, the worker's status page.
package demo
