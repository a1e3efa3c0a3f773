// Package sim drives a line of the simulated GPIO chip (hal/sim/gpiochip) as an output.
//
// Holds: output kind "sim".
// Never holds: the chip itself; rules on what the output may do.
// May import: hal, hal/sim/gpiochip.
// Start reading at: Config.
package sim
