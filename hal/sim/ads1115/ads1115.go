package ads1115

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"time"

	"wayside/hal"
)

// Registers (SBAS444D, table 3).
const (
	regConversion = 0
	regConfig     = 1
	regLow        = 2
	regHigh       = 3
)

// Config register (SBAS444D, table 8).
const (
	configReset = 0x8583 // after power-up and general-call reset
	bitOS       = 0x8000 // write: start a single conversion; read: 1 while not converting
	bitSingle   = 0x0100 // single-shot mode
)

// fullScale is the range of each PGA setting in volts, by bits 11:9.
var fullScale = [8]float64{6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256}

// rates are the conversions per second, by bits 7:5.
var rates = [8]float64{8, 16, 32, 64, 128, 250, 475, 860}

// inputs are the pins of each multiplexer setting, by bits 14:12; ground is -1.
var inputs = [8][2]int{{0, 1}, {0, 3}, {1, 3}, {2, 3}, {0, -1}, {1, -1}, {2, -1}, {3, -1}}

// Chip is one converter. Safe for concurrent use.
type Chip struct {
	// Volts is the voltage on pin 0 to 3 at the moment; an error is a chip without power: it does not acknowledge.
	Volts func(pin int) (float64, error)
	// Slow is how much longer than nominal a conversion takes; the chip's oscillator is good to 10 % (SBAS444D, 7.5): 0.1 is the worst.
	Slow float64

	clock hal.Clock
	mu    sync.Mutex
	ptr   byte
	regs  [4]uint16
	busy  bool          // a conversion runs
	ready time.Duration // boot time when it is done
	next  uint16        // its result
}

// New is a converter just after power-up.
func New(clock hal.Clock, volts func(pin int) (float64, error)) *Chip {
	c := &Chip{Volts: volts, clock: clock}
	c.Reset()
	return c
}

// Reset is a loss of power.
func (c *Chip) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ptr, c.busy = 0, false
	c.regs = [4]uint16{regConfig: configReset, regLow: 0x8000, regHigh: 0x7fff}
}

// Tx is one transfer: w is written, then r is read after a repeated start.
func (c *Chip) Tx(w, r []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.Volts(0); err != nil {
		return fmt.Errorf("ads1115: no acknowledge: %w: %w", err, hal.ErrNoDevice)
	}
	c.settle()
	if len(w) > 0 {
		c.ptr = w[0] & 3
		if len(w) >= 3 {
			if err := c.write(binary.BigEndian.Uint16(w[1:])); err != nil {
				return err
			}
		}
	}
	v := c.regs[c.ptr]
	if c.ptr == regConfig {
		if v &^= bitOS; !c.busy {
			v |= bitOS
		}
	}
	// The pointer does not advance: reading on gives the same register again.
	for i := range r {
		r[i] = byte(v >> (8 * (1 - i%2)))
	}
	return nil
}

// settle takes over a conversion that has ended.
func (c *Chip) settle() {
	if c.busy && c.clock.Boot() >= c.ready {
		c.busy = false
		c.regs[regConversion] = c.next
	}
}

func (c *Chip) write(v uint16) error {
	switch c.ptr {
	case regConversion:
		return nil // read only
	case regConfig:
	default:
		c.regs[c.ptr] = v
		return nil
	}
	c.regs[regConfig] = v &^ bitOS
	if v&bitOS == 0 || c.busy || v&bitSingle == 0 {
		return nil
	}
	in := inputs[v>>12&7]
	volts, err := c.Volts(in[0])
	if err == nil && in[1] >= 0 {
		var minus float64
		minus, err = c.Volts(in[1])
		volts -= minus
	}
	if err != nil {
		return fmt.Errorf("ads1115: no acknowledge: %w: %w", err, hal.ErrNoDevice)
	}
	// One step is the full scale by 2^15; beyond it the code clips (SBAS444D, 9.5.4).
	code := math.Round(volts / fullScale[v>>9&7] * (1 << 15))
	c.next = uint16(int16(max(math.MinInt16, min(math.MaxInt16, code))))
	c.busy = true
	c.ready = c.clock.Boot() + time.Duration((1+c.Slow)/rates[v>>5&7]*float64(time.Second))
	return nil
}
