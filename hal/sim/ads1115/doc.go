// Package ads1115 is a simulated ADS1115 analog-to-digital converter at register level: what periph's driver, or the kernel's, would see
// on the wire.
//
// Holds: the chip's pointer, registers, conversion timing and ready bit.
// Never holds: a bus (hal/bus/i2csim), loops and engineering units (hal/sensors/ads1115).
// May import: hal, the standard library.
// Start reading at: Chip.Tx.
//
// Source: Texas Instruments, "ADS111x Ultra-Small, Low-Power, I2C-Compatible, 860-SPS, 16-Bit ADCs", SBAS444D (2018), section 9.6.
package ads1115
