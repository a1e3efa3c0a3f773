package guard

import (
	"context"
	"fmt"
	"sync"
	"time"

	"wayside/agent/config"
	"wayside/hal"
)

// lineTimeout bounds a peek and a claim.
const lineTimeout = time.Second

// driver runs one output's device in a goroutine of its own, so that a device that does not answer holds up no other output. Commands are
// carried out one after the other, in order.
type driver struct {
	o    *config.Output
	env  hal.Env
	post func(func(c *Core, now time.Duration) []Action)

	mu    sync.Mutex
	queue []Action
	ended bool
	wake  chan struct{}
	wg    sync.WaitGroup

	line hal.Output // the goroutine's
}

func startDriver(o *config.Output, env hal.Env, post func(func(*Core, time.Duration) []Action)) *driver {
	d := &driver{o: o, env: env, post: post, wake: make(chan struct{}, 1)}
	d.wg.Add(1)
	go d.run()
	return d
}

func (d *driver) put(a Action) {
	d.mu.Lock()
	d.queue = append(d.queue, a)
	d.mu.Unlock()
	d.poke()
}

func (d *driver) poke() {
	select {
	case d.wake <- struct{}{}:
	default: // it has been woken already
	}
}

// end lets the goroutine finish its queue, gives up the line and waits.
func (d *driver) end() {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	d.poke()
	d.wg.Wait()
}

func (d *driver) run() {
	defer d.wg.Done()
	for {
		d.mu.Lock()
		batch, ended := d.queue, d.ended
		d.queue = nil
		d.mu.Unlock()
		for i := range batch {
			d.carryOut(&batch[i])
		}
		if len(batch) > 0 {
			continue
		}
		if ended {
			d.giveUp()
			return
		}
		<-d.wake
	}
}

func (d *driver) giveUp() {
	if d.line != nil {
		_ = d.line.Close() // the line is released by the end of its connection, whatever Close says
		d.line = nil
	}
}

func (d *driver) carryOut(a *Action) {
	name, change := d.o.Name, a.Change
	switch a.Kind {
	case ActPeek:
		v, err := d.peek()
		d.post(func(c *Core, now time.Duration) []Action { return c.Peeked(now, name, v, err) })
	case ActClaim:
		err := d.claim(a.Value)
		d.post(func(c *Core, now time.Duration) []Action { return c.Claimed(now, name, err) })
	case ActSet:
		v, err := d.set(a.Value)
		d.post(func(c *Core, now time.Duration) []Action { return c.Done(now, name, change, v, err) })
	case ActRelease:
		d.giveUp()
		d.post(func(c *Core, now time.Duration) []Action { return c.Released(now, name) })
	default:
		panic("guard: action is not for a line")
	}
}

func (d *driver) peek() (config.Value, error) {
	if d.o.Def.Peek == nil {
		return 0, errNoPeek
	}
	ctx, cancel := context.WithTimeout(context.Background(), lineTimeout)
	defer cancel()
	f, err := d.o.Def.Peek(ctx, d.o.Settings, d.env)
	if err != nil {
		return 0, fmt.Errorf("guard: output %s: read before the claim: %w", d.o.Name, err)
	}
	return level(f), nil
}

func level(f float64) config.Value {
	if f != 0 {
		return config.On
	}
	return config.Off
}

func (d *driver) claim(v config.Value) error {
	d.giveUp()
	ctx, cancel := context.WithTimeout(context.Background(), lineTimeout)
	defer cancel()
	line, err := d.o.Def.Open(ctx, d.o.Settings, v.Float(), d.env)
	if err != nil {
		return fmt.Errorf("guard: output %s: claim: %w", d.o.Name, err)
	}
	d.line = line
	return nil
}

// set drives the line and reads it back.
func (d *driver) set(v config.Value) (config.Value, error) {
	if d.line == nil {
		return 0, fmt.Errorf("guard: output %s: set: %w", d.o.Name, hal.ErrClosed)
	}
	if err := d.line.Set(v.Float()); err != nil {
		return 0, fmt.Errorf("guard: output %s: %w", d.o.Name, err)
	}
	f, err := d.line.Get()
	if err != nil {
		return 0, fmt.Errorf("guard: output %s: read back: %w", d.o.Name, err)
	}
	return level(f), nil
}
