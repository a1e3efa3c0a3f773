package sim

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"wayside/hal"
	"wayside/hal/sim/gpiochip"
	"wayside/hal/sim/socket"
)

// serve runs a chip in this process and returns its folder, record file and a function that ends it.
func serve(t *testing.T) (dir, record string, stop func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "out") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	record = filepath.Join(dir, "r")
	rec, err := gpiochip.OpenRecorder(record)
	if err != nil {
		t.Fatal(err)
	}
	chip, err := gpiochip.New(gpiochip.Options{Lines: 4, LineNames: []string{"", "sign"}}, hal.RealClock(), rec)
	if err != nil {
		t.Fatal(err)
	}
	l, err := socket.Listen(filepath.Join(dir, "gpio.sock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- gpiochip.Serve(ctx, l, chip) }()
	stop = func() {
		if cancel == nil {
			return
		}
		cancel()
		cancel = nil
		if err := <-done; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		_ = rec.Close()
	}
	t.Cleanup(stop)
	return dir, record, stop
}

func config(change func(c *Config)) *Config {
	d, _ := hal.FindOutput("sim")
	c := d.Config().(*Config)
	c.Chip, c.Line = "gpio.sock", 1
	if change != nil {
		change(c)
	}
	return c
}

// TestOutput: the claim sets the level at once, reading back changes nothing, closing releases.
func TestOutput(t *testing.T) {
	for _, low := range []bool{false, true} {
		dir, record, stop := serve(t)
		env := hal.Env{Clock: hal.RealClock(), BaseDir: dir}
		ctx := context.Background()
		cfg := config(func(c *Config) { c.ActiveLow, c.ExpectName, c.Consumer = low, "sign", "guard" })
		o, err := Open(ctx, cfg, 1, env)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := o.Get(); err != nil || v != 1 {
			t.Errorf("initial value %v, %v", v, err)
		}
		if v, err := Peek(ctx, cfg, env); err != nil || v != 1 {
			t.Errorf("peek %v, %v", v, err)
		}
		if _, err := Open(ctx, cfg, 0, env); !errors.Is(err, hal.ErrBusy) {
			t.Errorf("second claim: %v", err)
		}
		for _, v := range []float64{0, 1, 0} {
			if err := o.Set(v); err != nil {
				t.Fatal(err)
			}
			if got, err := o.Get(); err != nil || got != v {
				t.Errorf("set %v, get %v, %v", v, got, err)
			}
		}
		if err := o.Set(0.5); !errors.Is(err, hal.ErrInput) {
			t.Errorf("half on: %v", err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		if err := o.Set(1); !errors.Is(err, hal.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		stop()
		ev, err := gpiochip.ReadRecord(record)
		if err != nil {
			t.Fatal(err)
		}
		var levels []int
		for _, e := range ev {
			if e.Event == gpiochip.EventTransition {
				levels = append(levels, e.To)
			}
		}
		// With active_low the claim of 1 is level 0, which only changes the direction.
		want := []int{1, 0, 1, 0}
		if low {
			want = []int{0, 1, 0, 1}
		}
		if len(levels) != 4 || levels[0] != want[0] || levels[1] != want[1] || levels[3] != want[3] {
			t.Errorf("active_low %v: levels %v, want %v", low, levels, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir, _, stop := serve(t)
	env := hal.Env{Clock: hal.RealClock(), BaseDir: dir}
	ctx := context.Background()
	if _, err := Open(ctx, config(func(c *Config) { c.ExpectName = "pump" }), 0, env); !errors.Is(err, hal.ErrInput) {
		t.Errorf("line of another name: %v", err)
	}
	if _, err := Open(ctx, config(func(c *Config) { c.Line = 9 }), 0, env); !errors.Is(err, hal.ErrInput) {
		t.Errorf("no such line: %v", err)
	}
	if _, err := Open(ctx, config(nil), 2, env); !errors.Is(err, hal.ErrInput) {
		t.Errorf("initial value 2: %v", err)
	}
	// None of these left a claim behind.
	o, err := Open(ctx, config(nil), 0, env)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if err := o.Set(1); !errors.Is(err, hal.ErrNoDevice) {
		t.Errorf("chip ended: %v", err)
	}
	if _, err := Open(ctx, config(nil), 0, env); !errors.Is(err, hal.ErrNoDevice) {
		t.Errorf("no chip: %v", err)
	}
	if _, err := Peek(ctx, config(nil), env); !errors.Is(err, hal.ErrNoDevice) {
		t.Errorf("peek without a chip: %v", err)
	}
}

func TestConfig(t *testing.T) {
	for _, tc := range []struct {
		change func(c *Config)
		key    string
	}{
		{func(c *Config) { c.Chip = "" }, "chip"},
		{func(c *Config) { c.Line = -1 }, "line"},
		{func(c *Config) { c.Line = 64 }, "line"},
		{func(c *Config) { c.Consumer = "" }, "consumer"},
	} {
		var e *hal.KeyError
		if err := config(tc.change).Validate(); !errors.As(err, &e) || e.Key != tc.key || e.Remedy == "" {
			t.Errorf("%v, want one about %s", err, tc.key)
		}
	}
}
