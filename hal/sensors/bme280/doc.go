// Package bme280 reads temperature, humidity or pressure from a Bosch BME280, or a BMP280 without humidity.
//
// Holds: sensor driver "bme280".
// Never holds: register access and compensation; that is periph's bmxx80, unmodified.
// May import: hal, hal/bus/i2c, periph.
// Start reading at: Config.
//
// Chip: I2C addresses 0x76 and 0x77, by the SDO pin. Data sheet: Bosch Sensortec "BME280 Combined humidity and pressure sensor", BST-BME280-DS002 rev 1.6
// (2018). Each reading is one measurement in forced mode; several sensors may be on one chip, each takes its own.
package bme280
