// Package table reads the CSV tables that simulated devices replay.
//
// Holds: one reader, with errors that name file and line.
// Never holds: replaying (hal/sensors/csv, hal/sim), features or windows (graph/feed has its own reader).
// May import: hal and the standard library.
// Start reading at: File.
package table
