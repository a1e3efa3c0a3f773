package bme280

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"wayside/hal"
	"wayside/hal/bus/i2c"
	"wayside/hal/bus/i2csim"
	chip "wayside/hal/sim/bme280"
)

func air(c, pa, h float64) func() (chip.Physical, error) {
	return func() (chip.Physical, error) {
		return chip.Physical{Celsius: c, Pascal: pa, Humidity: h}, nil
	}
}

func bench(t *testing.T, id byte) (*i2csim.Port, *chip.Chip, *i2c.Bus) {
	t.Helper()
	c := chip.New(hal.RealClock(), id, chip.Example, air(20, 101325, 50))
	p := i2csim.NewPort()
	p.Attach(0x76, c)
	return p, c, i2c.New("bench", p, 300*time.Millisecond, hal.RealClock())
}

func config(q string) *Config { return &Config{Address: 0x76, Quantity: q, Oversampling: 1} }

func open(t *testing.T, bus *i2c.Bus, q string) hal.Sensor {
	t.Helper()
	s, err := Open(context.Background(), config(q), bus, hal.RealClock())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDataSheetExample is the worked example of BMP280 data sheet BST-BMP280-DS001 rev 1.14, 3.12: adc_T 519888 gives 25.08 degC, adc_P 415148 gives
// 100653.27 Pa in floating point, for which the 64-bit integer formula gives 25767233/256 Pa.
func TestDataSheetExample(t *testing.T) {
	if d := 25767233.0/256 - 100653.27; math.Abs(d) > 0.02 {
		t.Errorf("integer and floating-point example are %v Pa apart", d)
	}
	for _, id := range []byte{chip.IDBME280, chip.IDBMP280} {
		_, c, bus := bench(t, id)
		c.SetRaw(519888, 415148, 30000)
		for q, want := range map[string][2]float64{"temperature": {25.08, 1e-9}, "pressure": {25767233.0 / 25600, 1e-9}} {
			v, err := open(t, bus, q).Read(context.Background())
			if err != nil || math.Abs(v.Value-want[0]) > want[1] || v.Quality != hal.Good {
				t.Errorf("chip %#x: %s %v, %v, want %v", id, q, v, err, want[0])
			}
		}
	}
}

// TestRange compares the driver's integer formulas with the chip's, which are the data sheet's floating-point ones, over the chip's whole range.
func TestRange(t *testing.T) {
	_, c, bus := bench(t, chip.IDBME280)
	sensors := map[string]hal.Sensor{"temperature": open(t, bus, "temperature"), "pressure": open(t, bus, "pressure"), "humidity": open(t, bus, "humidity")}
	for _, want := range []struct{ temperature, pressure, humidity float64 }{
		{-40, 300, 5}, {0, 1100, 20}, {21.3, 1013.25, 45.6}, {26.4, 900, 50}, {60, 950, 80}, {85, 700, 95},
	} {
		c.Air = air(want.temperature, want.pressure*100, want.humidity)
		for q, s := range sensors {
			v, err := s.Read(context.Background())
			ref, tol := want.temperature, 0.011
			switch q {
			case "pressure":
				ref, tol = want.pressure, 0.02
			case "humidity":
				ref, tol = want.humidity, 0.05
			}
			if err != nil || math.Abs(v.Value-ref) > tol {
				t.Errorf("%s: %v, %v, want %v", q, v.Value, err, ref)
			}
		}
	}
}

// TestEveryTransferFails breaks each transfer of setting up and reading in turn: the error keeps its kind, nothing panics, no value comes
// out, and the reading after it is right.
func TestEveryTransferFails(t *testing.T) {
	ctx := context.Background()
	for _, kind := range []error{hal.ErrNoDevice, errors.New("input/output error")} {
		p, c, bus := bench(t, chip.IDBME280)
		c.SetRaw(519888, 415148, 30000)
		s := open(t, bus, "temperature")
		opening := p.Transfers()
		if _, err := s.Read(ctx); err != nil {
			t.Fatal(err)
		}
		if n := p.Transfers() - opening; n < 3 {
			t.Fatalf("%d transfers for a reading", n)
		}
		for at := range opening {
			p, _, bus := bench(t, chip.IDBME280)
			p.Fault = func(n int, _ uint16) error {
				if n == at {
					return kind
				}
				return nil
			}
			if s, err := Open(ctx, config("temperature"), bus, hal.RealClock()); !errors.Is(err, kind) || s != nil || !strings.Contains(err.Error(), "bench/0x76") {
				t.Errorf("opening, transfer %d: %v, %v", at, s, err)
			}
		}
		for at := range 3 {
			start := p.Transfers()
			p.Fault = func(n int, _ uint16) error {
				if n == start+at {
					return kind
				}
				return nil
			}
			v, err := s.Read(ctx)
			if !errors.Is(err, kind) || v.Quality != hal.DeviceMissing || v.Value != 0 || v.Reason == "" || v.Boot == 0 {
				t.Errorf("reading, transfer %d: %+v, %v", at, v, err)
			}
			p.Fault = nil
			if v, err := s.Read(ctx); err != nil || math.Abs(v.Value-25.08) > 1e-9 {
				t.Errorf("after a failed transfer %d: %+v, %v", at, v, err)
			}
		}
	}
}

func TestWrongChip(t *testing.T) {
	for _, tc := range []struct {
		id   byte
		q    string
		want error
	}{
		{0x61, "temperature", hal.ErrNoDevice},
		{0x00, "temperature", hal.ErrNoDevice},
		{0xff, "temperature", hal.ErrNoDevice},
		{chip.IDBMP280, "humidity", hal.ErrInput},
	} {
		_, _, bus := bench(t, tc.id)
		if _, err := Open(context.Background(), config(tc.q), bus, hal.RealClock()); !errors.Is(err, tc.want) {
			t.Errorf("chip %#x for %s: %v, want %v", tc.id, tc.q, err, tc.want)
		}
	}
}

// TestPowerDip: a chip that lost its settings must not give the humidity of its reset value.
func TestPowerDip(t *testing.T) {
	ctx := context.Background()
	_, c, bus := bench(t, chip.IDBME280)
	s := open(t, bus, "humidity")
	if v, err := s.Read(ctx); err != nil || math.Abs(v.Value-50) > 0.05 {
		t.Fatalf("%+v, %v", v, err)
	}
	c.Reset()
	if v, err := s.Read(ctx); !errors.Is(err, hal.ErrNoDevice) || !strings.Contains(err.Error(), "lost its power") {
		t.Errorf("after a dip: %+v, %v", v, err)
	}
	if v, err := s.Read(ctx); err != nil || math.Abs(v.Value-50) > 0.05 {
		t.Errorf("set up anew: %+v, %v", v, err)
	}
	// The reset values as true readings are no fault.
	c.SetRaw(skipped20, skipped20, skipped16)
	if v, err := s.Read(ctx); err != nil || v.Value <= 0 || v.Value >= 100 {
		t.Errorf("a true reading that looks like a skipped one: %+v, %v", v, err)
	}
}

// TestStuckBusy: periph polls the busy bit without end; the bus's time ends it.
func TestStuckBusy(t *testing.T) {
	_, c, bus := bench(t, chip.IDBME280)
	s := open(t, bus, "pressure")
	c.SetStuckBusy(true)
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Millisecond)
	defer cancel()
	if _, err := s.Read(ctx); !errors.Is(err, hal.ErrTimeout) {
		t.Errorf("caller's time: %v", err)
	}
	if _, err := s.Read(context.Background()); !errors.Is(err, hal.ErrTimeout) {
		t.Errorf("bus's time: %v", err)
	}
	c.SetStuckBusy(false)
	if _, err := s.Read(context.Background()); err != nil {
		t.Errorf("healed: %v", err)
	}
}

// TestSharedChip: three sensors on one chip, read at the same time.
func TestSharedChip(t *testing.T) {
	_, c, bus := bench(t, chip.IDBME280)
	c.Air = air(30, 100000, 70)
	var wg sync.WaitGroup
	for q, want := range map[string]float64{"temperature": 30, "pressure": 1000, "humidity": 70} {
		s := open(t, bus, q)
		wg.Go(func() {
			for range 5 {
				if v, err := s.Read(context.Background()); err != nil || math.Abs(v.Value-want) > 0.05 {
					t.Errorf("%s: %v, %v", q, v.Value, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestConfig(t *testing.T) {
	for _, tc := range []struct {
		cfg Config
		key string
	}{
		{Config{Address: 0x78, Quantity: "humidity", Oversampling: 1}, "address"},
		{Config{Address: 0x76, Quantity: "wind", Oversampling: 1}, "quantity"},
		{Config{Address: 0x76, Quantity: "humidity", Oversampling: 3}, "oversampling"},
	} {
		var e *hal.KeyError
		if err := tc.cfg.Validate(); !errors.As(err, &e) || e.Key != tc.key || e.Remedy == "" {
			t.Errorf("%+v: %v", tc.cfg, err)
		}
	}
	if err := config("pressure").Validate(); err != nil {
		t.Error(err)
	}
}
