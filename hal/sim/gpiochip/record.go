package gpiochip

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// EventKind is what happened.
type EventKind string

// The kinds of event. Start and stop are the chip's own and have line -1.
const (
	EventStart      EventKind = "start"
	EventStop       EventKind = "stop"
	EventClaim      EventKind = "claim"
	EventRelease    EventKind = "release"
	EventTransition EventKind = "transition" // the level or the direction of a line changed
)

// Cause is why it happened.
type Cause string

// The causes.
const (
	CauseStart   Cause = "start"
	CauseStop    Cause = "stop"    // the chip itself was ended
	CauseRequest Cause = "request" // a claim
	CauseSet     Cause = "set"     // the owner drove the line
	CauseRelease Cause = "release" // the owner gave the line back in words
	CauseClosed  Cause = "closed"  // the owner's connection ended: it closed it, crashed or was killed
	CauseDrive   Cause = "drive"   // the world outside drove the line
)

// Event is one line of the record file.
type Event struct {
	Seq           uint64    `json:"seq"`     // counts from 0 in one run of the chip, without holes
	BootNS        int64     `json:"boot_ns"` // CLOCK_BOOTTIME
	Wall          time.Time `json:"wall"`
	Chip          string    `json:"chip"`
	Event         EventKind `json:"event"`
	Line          int       `json:"line"`
	From          int       `json:"from"` // level before and after
	To            int       `json:"to"`
	FromDirection Direction `json:"from_direction,omitempty"`
	Direction     Direction `json:"direction,omitempty"`
	Cause         Cause     `json:"cause"`
	PID           int       `json:"pid,omitempty"` // of the owner, as the kernel gave it for the connection
	Consumer      string    `json:"consumer,omitempty"`
}

// Recorder appends events to a file. The zero Recorder and a nil one keep nothing.
type Recorder struct{ f *os.File }

// OpenRecorder opens the record for appending and makes it if it is not there.
func OpenRecorder(path string) (*Recorder, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("gpiochip: open record: %w", err)
	}
	return &Recorder{f: f}, nil
}

// append writes all events with one write call, so that no reader ever sees half of a line.
func (r *Recorder) append(ev []Event) error {
	if r == nil || r.f == nil {
		return nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for i := range ev {
		if err := enc.Encode(&ev[i]); err != nil {
			return fmt.Errorf("gpiochip: encode event: %w", err)
		}
	}
	if _, err := r.f.Write(b.Bytes()); err != nil {
		return fmt.Errorf("gpiochip: write record: %w", err)
	}
	return nil
}

// Close closes the file.
func (r *Recorder) Close() error {
	if r == nil || r.f == nil {
		return nil
	}
	return r.f.Close()
}

// ReadRecord reads a record file from its start. A last line without its end (the disk was full) is left out; any other
// line that is no event is an error with file and line.
func ReadRecord(path string) ([]Event, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("gpiochip: read record: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("gpiochip: read record: %w", err)
	}
	var out []Event
	for n := 1; len(data) > 0; n++ {
		row, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole {
			break
		}
		var e Event
		if err := json.Unmarshal(row, &e); err != nil {
			return nil, fmt.Errorf("gpiochip: read record: %s:%d: %w", path, n, err)
		}
		out = append(out, e)
		data = rest
	}
	return out, nil
}
