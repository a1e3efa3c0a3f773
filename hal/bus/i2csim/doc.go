// Package i2csim is an I2C bus inside the process with simulated chips on it: the bus kind "i2c-sim". The real drivers run on it unchanged.
//
// Holds: the port that finds chips by address, their settings, and transfers that fail on purpose.
// Never holds: the chips (hal/sim).
// May import: hal, hal/bus/i2c, hal/sim, hal/table.
// Start reading at: Config, Port.
package i2csim
