// Package ads1115 reads a 4 to 20 mA loop through a resistor at an input of an ADS1115, with the fault signals of NAMUR NE 43.
//
// Holds: sensor driver "ads1115".
// Never holds: register access; that is periph's ads1x15, unmodified.
// May import: hal, hal/bus/i2c, periph.
// Start reading at: Config.
//
// Chip: Texas Instruments ADS1115, I2C addresses 0x48 to 0x4b; data sheet "ADS111x", SBAS444D (2018). Signal levels: NAMUR recommendation NE 43
// (2003), "Standardization of the Signal Level for the Failure Information of Digital Transmitters". Limits: single-ended inputs, one
// conversion per reading; an input must stay below the supply voltage plus 0.3 V (SBAS444D, 7.3).
package ads1115
