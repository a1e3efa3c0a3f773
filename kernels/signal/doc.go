// Package signal computes what an audio front end needs, from samples to logarithmic filter bank energies, in integers.
//
// Holds: window, real FFT and its inverse in three scalar types, energy, filter bank, square root, noise reduction, gain control, logarithm,
// and the buffers that cut a stream into frames.
// Never holds: tensors, options of a model file, state beyond the caller's slices.
// May import: the standard library.
// Start reading at: Window, then FFT.
//
// All functions give the bytes of TensorFlow Lite Micro's signal library on every CPU: integers wrap where C wraps, no product of floats is
// fused with a sum, and the tables of the FFT come from a sine that is rounded correctly.
//
//	f := signal.NewFFT[int16](512, false)
//	f.Forward(spectrum, samples) // 514 numbers from up to 512
package signal
