package hal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// Errors that a caller decides by. Drivers wrap them: test with errors.Is.
var (
	// ErrNoDevice: the hardware or its network is not there (no device node, no acknowledge, connection
	// refused, wrong chip, end of a replayed file). A verb that needs it ends with exit code 3.
	ErrNoDevice = errors.New("device missing")
	// ErrTimeout: the device is there as far as is known, but did not answer in its time.
	ErrTimeout = errors.New("no answer in time")
	// ErrBusy: the line or the device belongs to another process.
	ErrBusy = errors.New("in use by another owner")
	// ErrInput: what the user wrote is wrong (a setting, a replay file). Exit code 2; trying again is useless.
	ErrInput = errors.New("wrong input")
	// ErrClosed: the sensor, output or bus was closed by its owner.
	ErrClosed = errors.New("closed")
)

// Sample is one reading. It is a value: copy it freely.
type Sample struct {
	Boot    time.Duration // CLOCK_BOOTTIME when the value was taken; the only time that ages and windows are computed with
	Wall    time.Time     // wall clock at the same moment, for people and records; may be wrong before time is synced
	Value   float64       // engineering units as configured; meaningless where Quality says there is none
	Quality Quality
	Reason  string // why Quality is not Good, in words; empty for Good
}

// Sensor is one measured quantity.
//
// Read takes one reading and blocks at most until ctx ends or the driver's own timeout passes, whichever is sooner.
// With a nil error the device answered: the sample is a measurement, possibly a doubtful one, or the device's word that it has
// none (its Quality says so). With an error nothing was measured, and the sample says so too: Quality DeviceMissing, the error's text as the Reason, and the time of the attempt.
// Read is not safe for concurrent use on one Sensor; different sensors on one bus are.
// Close leaves the device inert and is safe to call once, after the last Read returned.
// Implementations start no goroutine that outlives a call, hold no global state and do not log.
type Sensor interface {
	Read(ctx context.Context) (Sample, error)
	Close() error
}

// Output is one claimed output line. It is opened with its initial value in the same call that claims it, so that the line
// never shows another level in between.
//
// Set drives the line and returns when the device has confirmed it, or with an error after the driver's own timeout; after an
// error the state of the line is unknown. Digital outputs take 0 and 1 and refuse everything else.
// Get reads the state back from the device without changing it. Close releases the claim; what the line does then is the
// device's matter. Calls are safe for concurrent use.
type Output interface {
	Set(v float64) error
	Get() (float64, error)
	Close() error
}

// Bus is something that several sensors share: an I2C adapter, a connection to a Modbus gateway. The sensor driver asserts the concrete
// type. A Bus serializes the transfers on it and is safe for concurrent use. String names it for error texts.
type Bus interface {
	io.Closer
	fmt.Stringer
}

// Env is what the program gives to every driver it opens.
type Env struct {
	Clock   Clock
	BaseDir string // relative paths in settings are relative to this folder (that of the configuration file)
}

// Path resolves a path from the settings: absolute ones stay, others are taken from BaseDir.
func (e Env) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(e.BaseDir, p)
}

// Missing is the sample that goes with a failed reading: taken now, no value, Quality DeviceMissing, err as the reason.
func Missing(c Clock, err error) Sample {
	return Sample{Boot: c.Boot(), Wall: c.Now(), Quality: DeviceMissing, Reason: err.Error()}
}

// Duration is a time.Duration that settings write as text: "80ms", "2.4s".
type Duration time.Duration

// UnmarshalText reads the form that time.ParseDuration takes.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a duration: write a number with a unit, such as \"80ms\" or \"2.4s\"", b)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes the form that UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// D is d as a time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String is the text form.
func (d Duration) String() string { return time.Duration(d).String() }

// InputError makes an error a hal.ErrInput without adding to its text.
func InputError(format string, args ...any) error { return inputError{fmt.Errorf(format, args...)} }

type inputError struct{ error }

func (e inputError) Unwrap() error { return e.error }

func (inputError) Is(target error) bool { return target == ErrInput }

// KeyError is a setting that a driver refuses. Its text has key, reason and remedy; errors.Is(err, ErrInput) holds.
type KeyError struct {
	Key    string // as written in the file, without the table's name
	Reason string // what is wrong with it
	Remedy string // what to write instead
}

// Error is "key: reason; remedy".
func (e *KeyError) Error() string {
	if e.Remedy == "" {
		return e.Key + ": " + e.Reason
	}
	return e.Key + ": " + e.Reason + "; " + e.Remedy
}

// Is makes every KeyError an ErrInput.
func (e *KeyError) Is(target error) bool { return target == ErrInput }
