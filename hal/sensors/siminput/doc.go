// Package siminput reads a line of the simulated GPIO chip (hal/sim/gpiochip) as a digital input: a door contact, a local/remote switch.
//
// Holds: sensor driver "sim-input".
// Never holds: the chip itself; debouncing.
// May import: hal, hal/sim/gpiochip.
// Start reading at: Config.
package siminput
