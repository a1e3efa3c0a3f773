package guard

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"wayside/agent/config"
	"wayside/hal"
)

// reopenPause is how long a sensor or bus that could not be opened is left alone.
const reopenPause = 200 * time.Millisecond

// watcher reads the sensors of interlocks, each in a goroutine of its own at its own period.
type watcher struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex // of buses: opening one is done once
	buses  map[string]hal.Bus
}

// startWatcher begins to read every sensor that an interlock of cfg looks at.
func startWatcher(cfg *config.Config, env hal.Env, post func(func(*Core, time.Duration) []Action)) *watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{cancel: cancel, buses: map[string]hal.Bus{}}
	seen := map[string]bool{}
	for i := range cfg.Interlocks {
		name := cfg.Interlocks[i].Cond.Sensor
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		w.wg.Add(1)
		go w.watch(ctx, cfg, cfg.Sensor(name), env, post)
	}
	return w
}

// watchedDiffer reports whether the sensors that interlocks look at, or how they are read, differ between two configurations.
func watchedDiffer(a, b *config.Config) bool {
	names := func(c *config.Config) map[string]bool {
		m := map[string]bool{}
		for i := range c.Interlocks {
			if s := c.Interlocks[i].Cond.Sensor; s != "" {
				m[s] = true
			}
		}
		return m
	}
	before, after := names(a), names(b)
	if !maps.Equal(before, after) {
		return true
	}
	for _, s := range config.Diff(a, b).Sensors.Changed {
		if after[s] {
			return true
		}
	}
	return false
}

// end stops reading and closes the buses.
func (w *watcher) end() {
	w.cancel()
	w.wg.Wait()
	for _, b := range w.buses {
		_ = b.Close() // nothing was written over it
	}
}

func (w *watcher) bus(ctx context.Context, cfg *config.Config, name string, env hal.Env) (hal.Bus, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // a sensor that needs no bus is opened with none
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if b := w.buses[name]; b != nil {
		return b, nil
	}
	c := cfg.Bus(name)
	b, err := c.Def.Open(ctx, name, c.Settings, env)
	if err != nil {
		return nil, fmt.Errorf("guard: bus %s: %w", name, err)
	}
	w.buses[name] = b
	return b, nil
}

func (w *watcher) watch(ctx context.Context, cfg *config.Config, s *config.Sensor, env hal.Env, post func(func(*Core, time.Duration) []Action)) {
	defer w.wg.Done()
	check := s.Checker()
	var dev hal.Sensor
	defer func() {
		if dev != nil {
			_ = dev.Close() // nothing was written to it
		}
	}()
	for ctx.Err() == nil {
		begin := env.Clock.Boot()
		pause := s.Period.D()
		sample, err := func() (hal.Sample, error) {
			rctx, cancel := context.WithTimeout(ctx, s.Timeout.D())
			defer cancel()
			if dev == nil {
				b, err := w.bus(rctx, cfg, s.Bus, env)
				if err == nil {
					dev, err = s.Def.Open(rctx, s.Settings, b, env)
				}
				if err != nil {
					pause = max(pause, reopenPause)
					return hal.Missing(env.Clock, err), err
				}
			}
			return dev.Read(rctx)
		}()
		if ctx.Err() != nil {
			return
		}
		sample = check.Apply(sample)
		name := s.Name
		post(func(c *Core, now time.Duration) []Action { return c.Sample(now, name, sample, err) })
		if hal.Sleep(ctx, env.Clock, pause-(env.Clock.Boot()-begin)) != nil {
			return
		}
	}
}
