package bme280

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"time"

	"wayside/hal"
)

// Registers (DS002, table 18).
const (
	regCalib0  = 0x88 // dig_T1 to dig_P9, one byte unused, dig_H1
	regID      = 0xd0
	regReset   = 0xe0
	regCalib1  = 0xe1 // dig_H2 to dig_H6
	regCtrlHum = 0xf2
	regStatus  = 0xf3
	regCtrl    = 0xf4
	regConfig  = 0xf5
	regData    = 0xf7 // pressure, temperature, humidity
)

// Chip identifications (DS002 5.4.1, DS001 4.3.1) and the word that resets.
const (
	IDBME280  = 0x60
	IDBMP280  = 0x58
	resetWord = 0xb6
)

const (
	bitMeasuring = 0x08 // of the status register
	skipped20    = 0x80000
	skipped16    = 0x8000
)

// Calibration are the constants that Bosch writes into each chip (DS002, table 16).
type Calibration struct {
	T1                             uint16
	T2, T3                         int16
	P1                             uint16
	P2, P3, P4, P5, P6, P7, P8, P9 int16
	H1, H3                         uint8
	H2, H4, H5                     int16
	H6                             int8
}

// Example has the temperature and pressure constants of the worked example in the BMP280's data sheet (DS001, 3.12), with which adc_T 519888 is
// 25.08 degC and adc_P 415148 is 100653.27 Pa. Bosch gives no example for humidity; those constants are ordinary ones.
var Example = Calibration{
	T1: 27504, T2: 26435, T3: -1000,
	P1: 36477, P2: -10685, P3: 3024, P4: 2855, P5: 140, P6: -7, P7: 15500, P8: -14600, P9: 6000,
	H1: 75, H2: 362, H3: 0, H4: 315, H5: 50, H6: 30,
}

// Physical is what the chip is exposed to.
type Physical struct {
	Celsius  float64
	Pascal   float64
	Humidity float64 // percent
}

// Chip is one sensor. Safe for concurrent use.
type Chip struct {
	// Air is the state of the air at the moment; an error is a chip without power: it does not acknowledge.
	Air func() (Physical, error)

	clock hal.Clock
	cal   Calibration
	mu    sync.Mutex
	regs  [256]byte
	ptr   byte
	hum   byte // ctrl_hum as it took effect with the last write of ctrl_meas (5.4.3)
	busy  bool
	ready time.Duration
	next  [8]byte
	fixed *[3]int // raw values that replace Air
	stuck bool
}

// New is a chip just after power-up. id is IDBME280 or IDBMP280, or a wrong one to simulate another chip.
func New(clock hal.Clock, id byte, cal Calibration, air func() (Physical, error)) *Chip {
	c := &Chip{Air: air, clock: clock, cal: cal}
	c.regs[regID] = id
	le := binary.LittleEndian
	b := c.regs[regCalib0:]
	le.PutUint16(b[0:], cal.T1)
	for i, v := range []int16{cal.T2, cal.T3, int16(cal.P1), cal.P2, cal.P3, cal.P4, cal.P5, cal.P6, cal.P7, cal.P8, cal.P9} {
		le.PutUint16(b[2+2*i:], uint16(v))
	}
	if id == IDBME280 {
		b[25] = cal.H1
		h := c.regs[regCalib1:]
		le.PutUint16(h[0:], uint16(cal.H2))
		h[2] = cal.H3
		// H4 and H5 share a byte (table 16).
		h[3] = byte(cal.H4 >> 4)
		h[4] = byte(cal.H4&0x0f) | byte(cal.H5&0x0f)<<4
		h[5] = byte(cal.H5 >> 4)
		h[6] = byte(cal.H6)
	}
	c.Reset()
	return c
}

// SetRaw fixes what the converters read, in place of Air.
func (c *Chip) SetRaw(temperature, pressure, humidity int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fixed = &[3]int{temperature, pressure, humidity}
}

// SetStuckBusy keeps the measuring bit set, whatever the chip does.
func (c *Chip) SetStuckBusy(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stuck = on
}

// Reset is a loss of power, or the reset word: settings and data are lost, the calibration is not.
func (c *Chip) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset()
}

func (c *Chip) reset() {
	c.ptr, c.hum, c.busy = 0, 0, false
	for _, r := range []byte{regCtrlHum, regStatus, regCtrl, regConfig} {
		c.regs[r] = 0
	}
	copy(c.regs[regData:], []byte{0x80, 0, 0, 0x80, 0, 0, 0x80, 0})
}

// Tx is one transfer: w is written, then r is read after a repeated start. A read advances from register to register; a write is
// pairs of register and value (DS002, 6.2).
func (c *Chip) Tx(w, r []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.Air(); err != nil {
		return fmt.Errorf("bme280: no acknowledge: %w: %w", err, hal.ErrNoDevice)
	}
	c.settle()
	if len(w) > 0 {
		c.ptr = w[0]
	}
	for i := 1; i < len(w); i += 2 {
		c.write(w[i-1], w[i])
	}
	c.regs[regStatus] &^= bitMeasuring
	if c.busy || c.stuck {
		c.regs[regStatus] |= bitMeasuring
	}
	for i := range r {
		r[i] = c.regs[c.ptr]
		c.ptr++
	}
	return nil
}

func (c *Chip) settle() {
	if c.busy && c.clock.Boot() >= c.ready {
		c.busy = false
		c.regs[regCtrl] &^= 3 // forced mode ends in sleep mode (3.3.3)
		copy(c.regs[regData:], c.next[:])
	}
}

func (c *Chip) write(reg, v byte) {
	switch reg {
	case regReset:
		if v == resetWord {
			c.reset()
		}
	case regCtrlHum, regConfig:
		c.regs[reg] = v
	case regCtrl:
		c.regs[reg] = v
		c.hum = c.regs[regCtrlHum] & 7
		if v&3 != 0 && !c.busy {
			c.measure(v)
		}
	}
}

// factor is the number of conversions for an oversampling setting (5.4.3).
func factor(setting byte) int {
	return [8]int{0, 1, 2, 4, 8, 16, 16, 16}[setting&7]
}

// measure starts one measurement with the air as it is.
func (c *Chip) measure(ctrl byte) {
	t, p, h := factor(ctrl>>5), factor(ctrl>>2), factor(c.hum)
	raw := [3]int{skipped20, skipped20, skipped16}
	if c.fixed != nil {
		raw = *c.fixed
	} else if air, err := c.Air(); err == nil {
		raw = c.cal.raw(air)
	}
	if t == 0 {
		raw[0] = skipped20
	}
	if p == 0 {
		raw[1] = skipped20
	}
	if h == 0 || c.regs[regID] != IDBME280 {
		raw[2] = skipped16
	}
	c.next = [8]byte{
		byte(raw[1] >> 12), byte(raw[1] >> 4), byte(raw[1] << 4),
		byte(raw[0] >> 12), byte(raw[0] >> 4), byte(raw[0] << 4),
		byte(raw[2] >> 8), byte(raw[2]),
	}
	if c.regs[regID] != IDBME280 {
		c.next[6], c.next[7] = 0, 0
	}
	// Longest time of a measurement (9.1), in microseconds.
	us := 1250.0 + 2300*float64(t)
	if p > 0 {
		us += 2300*float64(p) + 575
	}
	if h > 0 {
		us += 2300*float64(h) + 575
	}
	c.busy = true
	c.ready = c.clock.Boot() + time.Duration(us*float64(time.Microsecond))
}

// raw finds the converter readings whose compensated values come nearest to the air.
func (c *Calibration) raw(air Physical) [3]int {
	t := search(1<<20, func(adc int) float64 { v, _ := c.temperature(adc); return v }, air.Celsius)
	_, fine := c.temperature(t)
	return [3]int{
		t,
		search(1<<20, func(adc int) float64 { return c.pressure(adc, fine) }, air.Pascal),
		search(1<<16, func(adc int) float64 { return c.humidity(adc, fine) }, air.Humidity),
	}
}

// search finds the reading in 0..n-1 for which the monotonic f comes nearest to want.
func search(n int, f func(int) float64, want float64) int {
	lo, hi := 0, n-1
	rising := f(hi) > f(lo)
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		if (f(mid) < want) == rising {
			lo = mid
		} else {
			hi = mid
		}
	}
	if math.Abs(f(lo)-want) <= math.Abs(f(hi)-want) {
		return lo
	}
	return hi
}

// temperature is the floating-point formula of DS002, 8.1: degrees Celsius, and t_fine for the others. t_fine keeps its fraction, as in
// the worked example and unlike the C code beside it.
func (c *Calibration) temperature(adc int) (celsius, fine float64) {
	a := float64(adc)
	v1 := (a/16384 - float64(c.T1)/1024) * float64(c.T2)
	d := a/131072 - float64(c.T1)/8192
	fine = v1 + d*d*float64(c.T3)
	return fine / 5120, fine
}

// pressure is the floating-point formula of DS002, 8.1, in pascal.
func (c *Calibration) pressure(adc int, fine float64) float64 {
	v1 := fine/2 - 64000
	v2 := v1 * v1 * float64(c.P6) / 32768
	v2 += v1 * float64(c.P5) * 2
	v2 = v2/4 + float64(c.P4)*65536
	v1 = (float64(c.P3)*v1*v1/524288 + float64(c.P2)*v1) / 524288
	v1 = (1 + v1/32768) * float64(c.P1)
	if v1 == 0 {
		return 0
	}
	p := 1048576 - float64(adc)
	p = (p - v2/4096) * 6250 / v1
	v1 = float64(c.P9) * p * p / 2147483648
	v2 = p * float64(c.P8) / 32768
	return p + (v1+v2+float64(c.P7))/16
}

// humidity is the floating-point formula of DS002, 8.1, in percent.
func (c *Calibration) humidity(adc int, fine float64) float64 {
	h := fine - 76800
	h = (float64(adc) - (float64(c.H4)*64 + float64(c.H5)/16384*h)) *
		(float64(c.H2) / 65536 * (1 + float64(c.H6)/67108864*h*(1+float64(c.H3)/67108864*h)))
	h *= 1 - float64(c.H1)*h/524288
	return max(0, min(100, h))
}
