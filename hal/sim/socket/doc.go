// Package socket makes the Unix sockets on which the simulated devices listen.
//
// Holds: Listen, with the replacement of dead sockets.
// Never holds: a protocol.
// May import: hal, the standard library, golang.org/x/sys.
// Start reading at: Listen.
package socket
