// Package modbusslave is a simulated Modbus TCP device: it answers from a Store, replays a table, and can be told to fail in
// the ways that devices fail.
//
// Holds: the server (Listen), faults and their control socket, the table store.
// Never holds: the client (hal/bus/modbus).
// May import: hal, hal/bus/modbus, the standard library.
// Start reading at: Listen, Fault.
package modbusslave
