// Package modbus is a Modbus client: the protocol data units, the Modbus TCP framing, and the bus kind "modbus-tcp".
//
// Holds: PDU codec for both sides (function codes 1 to 6, 15, 16), MBAP framing, the client with its deadlines and back-off.
// Never holds: the meaning of registers (hal/sensors/modbus), a slave (hal/sim/modbusslave).
// May import: hal and the standard library.
// Start reading at: Client.Do, Request.
//
// Sources: MODBUS Application Protocol Specification V1.1b3 (2012), sections 4.1, 6 and 7; MODBUS Messaging on TCP/IP
// Implementation Guide V1.0b (2006), section 3.1. Addresses are the protocol's own, counted from 0: holding register "40001" of a
// manual is address 0 here.
package modbus
