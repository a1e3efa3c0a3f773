// Package modbus reads one quantity from the registers or bits of a Modbus device.
//
// Holds: sensor driver "modbus".
// Never holds: framing, connections (hal/bus/modbus).
// May import: hal, hal/bus/modbus.
// Start reading at: Config.
package modbus
