package hal

import (
	"fmt"
	"math"
	"time"
)

// Quality says how far a value may be trusted, and what is wrong with it otherwise.
//
// Every flag of the telecontrol protocols can be told from it. IEC 60870-5-104 quality descriptor (IEC 60870-5-101, 7.2.6.3:
// OV overflow, BL blocked, SB substituted, NT not topical, IV invalid) and DNP3 flags (IEEE 1815, 11.6):
//
//	quality         IEC 104   DNP3
//	good            -         ONLINE
//	stale           NT        ONLINE, COMM_LOST
//	stuck           IV, NT    REFERENCE_ERR
//	out_of_range    OV        ONLINE, OVER_RANGE
//	rate_too_high   IV, OV    REFERENCE_ERR, OVER_RANGE
//	wire_break      IV        REFERENCE_ERR (analog), not ONLINE (binary)
//	chattering      BL, IV    CHATTER_FILTER (binary), REFERENCE_ERR (analog)
//	substituted     SB        ONLINE, LOCAL_FORCED
//	blocked         BL        not ONLINE
//	device_missing  IV, NT    COMM_LOST
//	recovering      NT, BL    RESTART
//
// The protocols have fewer words than we do (both stuck and device_missing are "invalid and not topical" in IEC 104): Sample.Reason carries the rest.
type Quality uint8

// The qualities. Good is the zero value.
const (
	Good          Quality = iota
	Stale                 // the value is older than its user allows
	Stuck                 // has not moved for longer than the quantity can stand still
	OutOfRange            // outside what the quantity can be, or what the device can measure
	RateTooHigh           // moved faster than the quantity can
	WireBreak             // the loop or the sensor's wire is open, or the device reports a sensor fault
	Chattering            // a contact that changes too often to be believed
	Substituted           // forced by a person or filled in by software
	Blocked               // kept out of service on purpose
	DeviceMissing         // nothing was measured: no answer, no device, a gap in a replay
	Recovering            // the device is back, but not yet believed
	qualityCount
)

var qualityNames = [qualityCount]string{
	"good", "stale", "stuck", "out_of_range", "rate_too_high", "wire_break", "chattering",
	"substituted", "blocked", "device_missing", "recovering",
}

// String is the snake_case name used in records, metrics and files.
func (q Quality) String() string {
	if q < qualityCount {
		return qualityNames[q]
	}
	return fmt.Sprintf("quality(%d)", uint8(q))
}

// ParseQuality is the inverse of String.
func ParseQuality(s string) (Quality, error) {
	for i, n := range qualityNames {
		if n == s {
			return Quality(i), nil
		}
	}
	return 0, fmt.Errorf("hal: %q is no quality: one of %v", s, qualityNames)
}

// Qualities lists all of them in order.
func Qualities() []Quality {
	out := make([]Quality, qualityCount)
	for i := range out {
		out[i] = Quality(i)
	}
	return out
}

// MarshalText writes String's form, so that JSON has names and not numbers.
func (q Quality) MarshalText() ([]byte, error) {
	if q >= qualityCount {
		return nil, fmt.Errorf("hal: %s has no text form", q)
	}
	return []byte(q.String()), nil
}

// UnmarshalText reads String's form.
func (q *Quality) UnmarshalText(b []byte) error {
	v, err := ParseQuality(string(b))
	if err == nil {
		*q = v
	}
	return err
}

// Range is what a quantity can be, both ends included.
type Range struct{ Min, Max float64 }

// Checker marks values that the quantity cannot have. The settings may be zero: that check is off. Feed it every sample of
// one sensor, in order of time; it is not safe for concurrent use. The zero Checker only refuses values that are no number.
type Checker struct {
	Range      *Range        // outside: OutOfRange
	MaxRate    float64       // units per second against the last believed value: RateTooHigh. A true step is believed once enough time has passed for it
	StuckAfter time.Duration // exactly the same value for so long: Stuck

	last      Sample // last believed sample, for MaxRate
	haveLast  bool
	same      float64       // value that is being watched for StuckAfter
	sameSince time.Duration // boot time since which it stands
	haveSame  bool
}

// Apply returns s with its quality lowered where a check fails. A sample that is not Good already keeps its own quality.
func (c *Checker) Apply(s Sample) Sample {
	if s.Quality == DeviceMissing {
		// Nothing was measured, so standing still cannot be told across the hole.
		c.haveSame = false
		return s
	}
	stood := time.Duration(0)
	if c.haveSame && s.Value == c.same {
		stood = s.Boot - c.sameSince
	} else {
		c.same, c.sameSince, c.haveSame = s.Value, s.Boot, true
	}
	if s.Quality != Good {
		return s
	}
	switch {
	case math.IsNaN(s.Value) || math.IsInf(s.Value, 0):
		return lower(s, OutOfRange, "value is not a finite number")
	case c.Range != nil && (s.Value < c.Range.Min || s.Value > c.Range.Max):
		return lower(s, OutOfRange, fmt.Sprintf("%g is outside %g..%g", s.Value, c.Range.Min, c.Range.Max))
	case c.StuckAfter > 0 && stood >= c.StuckAfter:
		return lower(s, Stuck, fmt.Sprintf("unchanged at %g for %s (stuck_after %s)", s.Value, stood.Round(time.Millisecond), c.StuckAfter))
	}
	if c.MaxRate > 0 && c.haveLast {
		if dt := (s.Boot - c.last.Boot).Seconds(); dt > 0 {
			if rate := math.Abs(s.Value-c.last.Value) / dt; rate > c.MaxRate {
				return lower(s, RateTooHigh, fmt.Sprintf("%g to %g in %.3f s is %.4g per second (max_rate %g)", c.last.Value, s.Value, dt, rate, c.MaxRate))
			}
		}
	}
	c.last, c.haveLast = s, true
	return s
}

// Reset forgets the past, for a sensor that was replaced or reconfigured.
func (c *Checker) Reset() {
	*c = Checker{Range: c.Range, MaxRate: c.MaxRate, StuckAfter: c.StuckAfter}
}

// Aged returns s as it looks at boot time now: Stale when it was Good and is older than maxAge. A maxAge of 0 or less is off.
func Aged(s Sample, now, maxAge time.Duration) Sample {
	if age := now - s.Boot; maxAge > 0 && age > maxAge && s.Quality == Good {
		return lower(s, Stale, fmt.Sprintf("%s old (at most %s allowed)", age.Round(time.Millisecond), maxAge))
	}
	return s
}

func lower(s Sample, q Quality, reason string) Sample {
	s.Quality, s.Reason = q, reason
	return s
}
