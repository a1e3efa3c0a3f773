// Package par shares the work of a kernel among the threads of the process.
//
// Holds: one pool of workers for the process, chunk claiming, spinning before parking.
// Never holds: kernels, tensors.
// May import: the standard library.
// Start reading at: Run.
package par
