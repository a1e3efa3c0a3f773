package ads1115

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
	chip "wayside/hal/sim/ads1115"
)

// loop is a chip whose four inputs see currents in mA through 150 ohms.
func bench(t *testing.T, ma ...float64) (*i2csim.Port, *chip.Chip, *i2c.Bus) {
	t.Helper()
	c := chip.New(hal.RealClock(), func(pin int) (float64, error) {
		if pin >= len(ma) {
			return 0, nil
		}
		return ma[pin] / 1000 * 150, nil
	})
	p := i2csim.NewPort()
	p.Attach(0x48, c)
	return p, c, i2c.New("bench", p, 500*time.Millisecond, hal.RealClock())
}

func config(channel int) *Config {
	return &Config{Address: 0x48, Channel: channel, Shunt: 150, Low: 0, High: 10, Rate: 860}
}

func open(t *testing.T, bus *i2c.Bus, cfg *Config) hal.Sensor {
	t.Helper()
	s, err := Open(context.Background(), cfg, bus, hal.RealClock())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLoop(t *testing.T) {
	for _, tc := range []struct {
		ma, want float64
		q        hal.Quality
		reason   string
	}{
		{4, 0, hal.Good, ""},
		{12, 5, hal.Good, ""},
		{20, 10, hal.Good, ""},
		{3.85, -0.09375, hal.Good, ""},
		{20.45, 10.28125, hal.Good, ""},
		{3.7, -0.1875, hal.OutOfRange, "lower limit"},
		{20.8, 10.5, hal.OutOfRange, "upper limit"},
		{3.55, -0.28125, hal.WireBreak, "broken wire"},
		{0, -2.5, hal.WireBreak, "broken wire"},
		{21.2, 10.75, hal.OutOfRange, "short circuit"},
		{23.5, 12.1875, hal.OutOfRange, "short circuit"},
		{100, math.Inf(1), hal.OutOfRange, "short circuit"}, // the converter clips
	} {
		_, _, bus := bench(t, 0, 0, tc.ma)
		v, err := open(t, bus, config(2)).Read(context.Background())
		// One step of the converter at +-4.096 V is 0.00083 mA here, 0.0005 of the value's unit.
		if err != nil || v.Quality != tc.q || !strings.Contains(v.Reason, tc.reason) || (tc.q == hal.Good) != (v.Reason == "") ||
			!math.IsInf(tc.want, 1) && math.Abs(v.Value-tc.want) > 0.0006 {
			t.Errorf("%v mA: %+v, %v, want %v %s", tc.ma, v, err, tc.want, tc.q)
		}
	}
}

// TestSlowChip is a chip at the slow end of its oscillator's tolerance: periph alone would take the result of the conversion before, which was
// of another input.
func TestSlowChip(t *testing.T) {
	_, c, bus := bench(t, 4, 12, 20, 8)
	c.Slow = 0.1
	var sensors []hal.Sensor
	for ch := range 4 {
		cfg := config(ch)
		cfg.Rate = 128
		sensors = append(sensors, open(t, bus, cfg))
	}
	for range 2 {
		for ch, want := range []float64{0, 5, 10, 2.5} {
			if v, err := sensors[ch].Read(context.Background()); err != nil || math.Abs(v.Value-want) > 0.0006 {
				t.Errorf("input %d: %v, %v, want %v", ch, v.Value, err, want)
			}
		}
	}
}

// TestSharedChip: two inputs read at the same time never get each other's value.
func TestSharedChip(t *testing.T) {
	_, _, bus := bench(t, 4, 20)
	var wg sync.WaitGroup
	for ch, want := range []float64{0, 10} {
		s := open(t, bus, config(ch))
		wg.Go(func() {
			for range 10 {
				if v, err := s.Read(context.Background()); err != nil || math.Abs(v.Value-want) > 0.0006 {
					t.Errorf("input %d: %v, %v", ch, v.Value, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestEveryTransferFails breaks each transfer in turn: the error keeps its kind and the reading after it is right.
func TestEveryTransferFails(t *testing.T) {
	ctx := context.Background()
	for _, kind := range []error{hal.ErrNoDevice, errors.New("input/output error")} {
		p, _, bus := bench(t, 12)
		s := open(t, bus, config(0))
		for at := range 3 {
			start := p.Transfers()
			p.Fault = func(n int, _ uint16) error {
				if n == start+at {
					return kind
				}
				return nil
			}
			v, err := s.Read(ctx)
			if !errors.Is(err, kind) || v.Quality != hal.DeviceMissing || v.Value != 0 || !strings.Contains(err.Error(), "bench/0x48") {
				t.Errorf("transfer %d: %+v, %v", at, v, err)
			}
			p.Fault = nil
			if v, err := s.Read(ctx); err != nil || math.Abs(v.Value-5) > 0.0006 {
				t.Errorf("after a failed transfer %d: %+v, %v", at, v, err)
			}
		}
	}
	p := i2csim.NewPort()
	if _, err := Open(ctx, config(0), i2c.New("bench", p, time.Second, hal.RealClock()), hal.RealClock()); !errors.Is(err, hal.ErrNoDevice) {
		t.Errorf("no chip: %v", err)
	}
}

// TestPowerDip: a chip that loses its power in the middle of a conversion has a result of 0, which must not come out as a wire break.
func TestPowerDip(t *testing.T) {
	p, c, bus := bench(t, 12)
	s := open(t, bus, config(0))
	start := p.Transfers()
	p.Fault = func(n int, _ uint16) error {
		if n == start+1 {
			c.Reset()
		}
		return nil
	}
	if v, err := s.Read(context.Background()); !errors.Is(err, hal.ErrNoDevice) || !strings.Contains(err.Error(), "lost its power") {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestNeverReady: the wait for a conversion ends with the caller's time.
func TestNeverReady(t *testing.T) {
	_, c, bus := bench(t, 12)
	s := open(t, bus, config(0))
	c.Slow = 1e6
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if v, err := s.Read(ctx); !errors.Is(err, hal.ErrTimeout) {
		t.Errorf("a value without a conversion: %+v, %v", v, err)
	}
}

func TestConfig(t *testing.T) {
	for _, tc := range []struct {
		change func(c *Config)
		key    string
	}{
		{func(c *Config) { c.Address = 0x4c }, "address"},
		{func(c *Config) { c.Channel = -1 }, "channel"},
		{func(c *Config) { c.Channel = 4 }, "channel"},
		{func(c *Config) { c.Shunt = 0 }, "shunt_ohms"},
		{func(c *Config) { c.Shunt = 257 }, "shunt_ohms"},
		{func(c *Config) { c.High = 0 }, "high"},
		{func(c *Config) { c.Rate = 100 }, "rate"},
	} {
		c := config(0)
		tc.change(c)
		var e *hal.KeyError
		if err := c.Validate(); !errors.As(err, &e) || e.Key != tc.key || e.Remedy == "" {
			t.Errorf("%+v: %v, want one about %s", c, err, tc.key)
		}
	}
}
