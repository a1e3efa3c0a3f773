// Package bme280 is a simulated BME280 or BMP280 environment sensor at register level.
//
// Holds: register map, measuring modes and timing, calibration, and the way back from physical values to what the converters read.
// Never holds: a bus (hal/bus/i2csim); the integer formulas that drivers use: this chip computes with the data sheets' floating-point ones.
// May import: hal, the standard library.
// Start reading at: Chip.Tx.
//
// Sources: Bosch Sensortec, "BME280 Combined humidity and pressure sensor", BST-BME280-DS002 rev 1.6 (2018), sections 4.2, 5.3, 5.4, 8.1 and
// 9.1; "BMP280 Digital Pressure Sensor", BST-BMP280-DS001 rev 1.14 (2015), section 3.12 for the worked example.
package bme280
