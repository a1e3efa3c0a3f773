package agent

import (
	"context"
	"errors"
	"fmt"

	"wayside/agent/config"
	"wayside/hal"
)

// busHandle opens a bus when the first sensor on it needs it and shares it. Safe for concurrent use.
type busHandle struct {
	cfg  config.Bus
	env  hal.Env
	turn chan struct{} // a lock that a context can give up waiting for
	bus  hal.Bus
	shut bool
}

func newBusHandle(c config.Bus, env hal.Env) *busHandle {
	return &busHandle{cfg: c, env: env, turn: make(chan struct{}, 1)}
}

func (b *busHandle) get(ctx context.Context) (hal.Bus, error) {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("agent: bus %q: waiting for it to open: %w", b.cfg.Name, ctx.Err())
	}
	if b.shut {
		return nil, hal.ErrClosed
	}
	if b.bus == nil {
		bus, err := b.cfg.Def.Open(ctx, b.cfg.Name, b.cfg.Settings, b.env)
		if err != nil {
			return nil, fmt.Errorf("agent: bus %q: %w", b.cfg.Name, err)
		}
		b.bus = bus
	}
	return b.bus, nil
}

// close is called after the last sensor on the bus was closed.
func (b *busHandle) close() error {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	b.shut = true
	if b.bus == nil {
		return nil
	}
	bus := b.bus
	b.bus = nil
	return bus.Close()
}

var errNoBus = errors.New("needs a bus")

// opener gives the function with which a poller opens its sensor.
func opener(s config.Sensor, bus *busHandle, env hal.Env) func(ctx context.Context) (hal.Sensor, error) {
	return func(ctx context.Context) (hal.Sensor, error) {
		var b hal.Bus
		if s.Def.NeedsBus != "" {
			if bus == nil {
				return nil, fmt.Errorf("agent: sensor %q: %w", s.Name, errNoBus)
			}
			var err error
			if b, err = bus.get(ctx); err != nil {
				return nil, err
			}
		}
		return s.Def.Open(ctx, s.Settings, b, env)
	}
}
