// Package gpiochip is a simulated GPIO chip that lives in a process of its own, as a real chip lives in the kernel: it outlasts the
// processes that claim its lines, refuses a second owner, takes the initial value with the claim, and releases the lines of
// a connection that ends, however it ends. Everything that happens to a line is appended to a record outside those processes.
//
// Holds: the chip's rules (Chip), the socket server (Serve), the client (Dial), the record file.
// Never holds: anything about real GPIO; decisions on what an output may do (agent/guard).
// May import: hal, hal/sim/socket, the standard library, golang.org/x/sys.
// Start reading at: Chip, Event.
//
// The protocol is newline-delimited JSON over a Unix stream socket, one response to one request, in order:
//
//	> {"v":1,"op":"request","consumer":"guard","lines":[{"line":3,"direction":"output","level":1}]}
//	< {"ok":true}
//	> {"v":1,"op":"set","lines":[{"line":3,"level":0}]}
//	< {"ok":true}
//
// Operations: chip, info, request, set, release, drive. Lines in one request are claimed or set all together or not at all.
package gpiochip
