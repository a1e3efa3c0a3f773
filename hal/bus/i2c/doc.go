// Package i2c is the I2C bus that periph's chip drivers run on, with what they lack: a deadline for every transfer, errors that
// keep their kind, a chip to oneself for several transfers, and pauses for chips that do not answer.
//
// Holds: Bus, and the bus kind "i2c" (Linux /dev/i2c-N through periph's sysfs driver).
// Never holds: chips, real (hal/sensors) or simulated (hal/sim).
// May import: hal, periph.
// Start reading at: Bus.Do.
package i2c
