// Package feed turns what people have into tensors: arrays, tables, pictures, sound, and the running window of a sensor.
//
// Holds: readers and writers of .npy and .npz, readers of CSV, PNG, JPEG and WAV, windows by time, features, and the
// conversion of all of them to a model's input; one place for the command line, quant and the agent.
// Never holds: models, sensors, command-line flags, logging.
// May import: graph/tensor, gonum and the standard library.
// Start reading at: Open and File.Samples for files, Window and Features for running signals.
//
// Files are hostile until read: every count is bounded before memory is taken, and a wrong file is an error that names
// the file, the line or array, and what would be right.
package feed
