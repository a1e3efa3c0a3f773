// Package journal is one segmented, checksummed, append-only log on disk. The worker keeps its decisions in one, the guardian its
// actuation record in another (a ring of pre-allocated files); both are joined by decision id.
//
// Holds: the record format, segments, the budget, recovery after a crash, reading.
// Never holds: what a record means; a policy of when to sync; a goroutine.
// May import: hal (for the clock) and the standard library, x/sys.
// Start reading at: Journal, Read, decode.go for the format.
//
//	j, err := journal.Open(dir, journal.Options{MaxBytes: 16 << 20, Clock: hal.RealClock()})
//	seq, err := j.Append("decision", d)   // in the page cache: survives kill -9
//	err = j.Sync()                        // on the disk: survives a power cut
//	damage, err := journal.Read(dir, func(r journal.Record) error { … })
package journal
