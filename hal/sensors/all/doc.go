// Package all links every driver of hal into the program: sensors, outputs and buses.
//
// Holds: one import line per driver, sorted.
// Never holds: code.
// May import: the driver folders of hal.
// Start reading at: all.go.
package all
