package ads1115

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"wayside/hal"
	"wayside/hal/haltest"
)

func TestRegisters(t *testing.T) {
	clock := haltest.NewClock()
	power := error(nil)
	c := New(clock, func(pin int) (float64, error) { return []float64{1, 2.5, -0.1, 9}[pin], power })
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
	expect("config after power-up", read([]byte{1}, 2), 0x85, 0x83)
	expect("the pointer stays, and does not advance", read(nil, 4), 0x85, 0x83, 0x85, 0x83)
	expect("thresholds", append(read([]byte{2}, 2), read([]byte{3}, 2)...), 0x80, 0x00, 0x7f, 0xff)
	read([]byte{3, 0x12, 0x34}, 0)
	expect("a threshold that was written", read(nil, 2), 0x12, 0x34)
	read([]byte{0, 0x77, 0x77}, 0)
	expect("the result cannot be written", read([]byte{0}, 2), 0, 0)
	for _, tc := range []struct {
		name   string
		config uint16
		period time.Duration
		want   uint16
	}{
		{"input 0, 4.096 V, 128/s", 0xc383, time.Second / 128, 8000},
		{"input 1 clips at 2.048 V, 8/s", 0xd503, time.Second / 8, 0x7fff},
		{"input 2 is negative, 0.256 V", 0xeb83, time.Second / 128, 0xce00},
		{"input 0 minus 1, 6.144 V, 860/s", 0x81e3, time.Second/860 + 1, 0xe0c0},
	} {
		before := read([]byte{0}, 2)
		read([]byte{1, byte(tc.config >> 8), byte(tc.config)}, 0)
		cfg := tc.config &^ 0x8000
		expect(tc.name+": busy", read(nil, 2), byte(cfg>>8), byte(cfg))
		clock.Advance(tc.period - time.Microsecond)
		expect(tc.name+": still the result before", read([]byte{0}, 2), before...)
		clock.Advance(time.Microsecond)
		expect(tc.name, read([]byte{0}, 2), byte(tc.want>>8), byte(tc.want))
		expect(tc.name+": ready", read([]byte{1}, 2), byte(tc.config>>8), byte(tc.config))
	}
	c.Reset()
	expect("config after a reset", read([]byte{1}, 2), 0x85, 0x83)
	power = errors.New("off")
	if err := c.Tx([]byte{0}, make([]byte, 2)); !errors.Is(err, hal.ErrNoDevice) {
		t.Errorf("without power: %v", err)
	}
}
