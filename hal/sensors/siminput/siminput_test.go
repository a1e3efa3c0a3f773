package siminput

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"wayside/hal"
	"wayside/hal/haltest"
	"wayside/hal/sim/gpiochip"
	"wayside/hal/sim/socket"
)

// serve runs a chip at path in this process; the function ends it.
func serve(t *testing.T, path string) (*gpiochip.Chip, func()) {
	t.Helper()
	chip, err := gpiochip.New(gpiochip.Options{Lines: 4, LineNames: []string{"", "", "door"}}, hal.RealClock(), nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := socket.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- gpiochip.Serve(ctx, l, chip) }()
	stop := func() {
		if cancel != nil {
			cancel()
			cancel = nil
			<-done
		}
	}
	t.Cleanup(stop)
	return chip, stop
}

func TestInput(t *testing.T) {
	dir, err := os.MkdirTemp("", "in") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "gpio.sock")
	chip, stop := serve(t, path)
	ctx, clock := context.Background(), haltest.NewClock()
	env := hal.Env{Clock: clock, BaseDir: dir}
	open := func(change func(c *Config)) (hal.Sensor, error) {
		d, _ := hal.FindSensor("sim-input")
		cfg := d.Config().(*Config)
		cfg.Chip, cfg.Line, cfg.ExpectName = "gpio.sock", 2, "door"
		if change != nil {
			change(cfg)
		}
		if err := d.Validate(cfg); err != nil {
			return nil, err
		}
		return d.Open(ctx, cfg, nil, env)
	}
	expect := func(s hal.Sensor, want float64) {
		t.Helper()
		if v, err := s.Read(ctx); err != nil || v.Value != want || v.Quality != hal.Good || v.Boot != clock.Boot() {
			t.Errorf("%+v, %v, want %v", v, err, want)
		}
	}
	door, err := open(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(nil); !errors.Is(err, hal.ErrBusy) {
		t.Errorf("second claim: %v", err)
	}
	inverse, err := open(func(c *Config) { c.Shared, c.ActiveLow = true, true })
	if err != nil {
		t.Fatal(err)
	}
	for _, level := range []int{0, 1, 0} {
		if err := chip.Drive(gpiochip.Owner{}, []gpiochip.LineRequest{{Line: 2, Level: level}}); err != nil {
			t.Fatal(err)
		}
		expect(door, float64(level))
		expect(inverse, float64(1-level))
	}
	if _, err := open(func(c *Config) { c.ExpectName = "window" }); !errors.Is(err, hal.ErrInput) {
		t.Errorf("line of another name: %v", err)
	}
	if _, err := open(func(c *Config) { c.Line = -1 }); !errors.Is(err, hal.ErrInput) {
		t.Errorf("no line: %v", err)
	}
	// The chip ends: the sensor says so, and finds the next chip by itself.
	stop()
	for range 2 {
		if v, err := door.Read(ctx); !errors.Is(err, hal.ErrNoDevice) || v.Quality != hal.DeviceMissing {
			t.Errorf("chip ended: %+v, %v", v, err)
		}
	}
	chip, _ = serve(t, path)
	expect(door, 0)
	if !chip.Info()[2].Owned {
		t.Error("the line was not claimed again")
	}
	if err := door.Close(); err != nil {
		t.Error(err)
	}
	if err := inverse.Close(); err != nil {
		t.Error(err)
	}
}
