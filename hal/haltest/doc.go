// Package haltest has the doubles that tests of hal and of its users run on: a clock that stands
// until it is moved, a scripted sensor, an output that remembers.
//
// Holds: fakes of hal's interfaces.
// Never holds: anything the product links; simulated chips and protocols (hal/sim).
// May import: hal and the standard library.
// Start reading at: FakeClock.
package haltest
