package bme280

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"

	"wayside/hal"
	"wayside/hal/haltest"
)

// TestExample is the worked example of BST-BMP280-DS001 rev 1.14, section 3.12, with its intermediate var1 of
// the pressure, 211.1435029.
func TestExample(t *testing.T) {
	celsius, fine := Example.temperature(519888)
	if math.Abs(celsius-25.08) > 0.005 || math.Abs(fine/2-64000-211.1435029) > 1e-7 {
		t.Errorf("temperature %v, var1 %v, want 25.08 and 211.1435029", celsius, fine/2-64000)
	}
	if p := Example.pressure(415148, fine); math.Abs(p-100653.27) > 0.005 {
		t.Errorf("pressure %v, want 100653.27", p)
	}
}

// TestBack: the readings found for physical values give these values again.
func TestBack(t *testing.T) {
	for _, air := range []Physical{{-40, 30000, 5}, {25.08, 100653.27, 50}, {85, 110000, 100}} {
		raw := Example.raw(air)
		c, fine := Example.temperature(raw[0])
		p, h := Example.pressure(raw[1], fine), Example.humidity(raw[2], fine)
		if math.Abs(c-air.Celsius) > 0.001 || math.Abs(p-air.Pascal) > 0.5 || math.Abs(h-air.Humidity) > 0.02 {
			t.Errorf("%+v gives %v: %v, %v, %v", air, raw, c, p, h)
		}
	}
}

func TestRegisters(t *testing.T) {
	clock := haltest.NewClock()
	power := error(nil)
	c := New(clock, IDBME280, Example, func() (Physical, error) { return Physical{20, 101325, 40}, power })
	c.SetRaw(0x7eed0, 0x655ac, 0x6e00)
	read := func(w []byte, n int) []byte {
		t.Helper()
		r := make([]byte, n)
		if err := c.Tx(w, r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	expect := func(what string, got []byte, want ...byte) {
		t.Helper()
		if !bytes.Equal(got, want) {
			t.Errorf("%s: % x, want % x", what, got, want)
		}
	}
	nothing := []byte{0x80, 0, 0, 0x80, 0, 0, 0x80, 0}
	expect("chip id", read([]byte{0xd0}, 1), 0x60)
	expect("calibration, low byte first", read([]byte{0x88}, 6), 0x70, 0x6b, 0x43, 0x67, 0x18, 0xfc) // 27504, 26435, -1000
	expect("reading on advances", read(nil, 2), 0x7d, 0x8e)                                          // 36477
	expect("H1", read([]byte{0xa1}, 1), 75)
	expect("H2 to H6, H4 and H5 share a byte", read([]byte{0xe1}, 7), 0x6a, 0x01, 0, 0x13, 0x2b, 0x03, 30)
	expect("data after power-up", read([]byte{0xf7}, 8), nothing...)

	// Forced mode, temperature and pressure once, humidity off: ctrl_hum was written but not yet ctrl_meas after it.
	read([]byte{0xf4, 0x25, 0xf2, 0x01}, 0)
	expect("busy", read([]byte{0xf3}, 2), 0x08, 0x25)
	expect("data while busy", read([]byte{0xf7}, 8), nothing...)
	clock.Advance(6425 * time.Microsecond)
	expect("idle, asleep", read([]byte{0xf3}, 2), 0x00, 0x24)
	expect("data without humidity", read([]byte{0xf7}, 8), 0x65, 0x5a, 0xc0, 0x7e, 0xed, 0x00, 0x80, 0x00)
	read([]byte{0xf4, 0x25}, 0)
	clock.Advance(9300 * time.Microsecond)
	expect("data with humidity", read([]byte{0xf7}, 8), 0x65, 0x5a, 0xc0, 0x7e, 0xed, 0x00, 0x6e, 0x00)
	read([]byte{0xe0, 0x00}, 0)
	expect("another word does not reset", read([]byte{0xf2}, 1), 0x01)
	read([]byte{0xe0, 0xb6}, 0)
	expect("reset", read([]byte{0xf2}, 4), 0, 0, 0, 0)
	expect("data after a reset", read([]byte{0xf7}, 8), nothing...)
	power = errors.New("off")
	if err := c.Tx([]byte{0xd0}, make([]byte, 1)); !errors.Is(err, hal.ErrNoDevice) {
		t.Errorf("without power: %v", err)
	}
}
