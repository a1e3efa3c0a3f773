package i2csim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"wayside/hal"
	"wayside/hal/bus/i2c"
)

// Config are the keys of [[bus]] with kind = "i2c-sim".
type Config struct {
	Timeout hal.Duration `toml:"timeout"` // longest use of a chip for one reading; default 500ms
	Chips   []Chip       `toml:"chip"`    // [[bus.chip]]
}

func init() {
	hal.RegisterBus(hal.BusDriver{
		Kind: "i2c-sim", Family: "i2c", Doc: "I2C bus with simulated chips inside the process",
		Config:   func() any { return &Config{Timeout: hal.Duration(500 * time.Millisecond)} },
		Validate: func(cfg any) error { return cfg.(*Config).Validate() },
		Open: func(_ context.Context, name string, cfg any, env hal.Env) (hal.Bus, error) {
			return Open(name, cfg.(*Config), env)
		},
	})
}

// Validate checks the keys without reading tables.
func (c *Config) Validate() error {
	errs := []error{i2c.ValidateTimeout(c.Timeout)}
	seen := map[int]bool{}
	for i := range c.Chips {
		ch := &c.Chips[i]
		if seen[ch.Address] {
			errs = append(errs, &hal.KeyError{Key: "chip.address", Reason: fmt.Sprintf("%#02x is there twice", ch.Address), Remedy: "give each chip of the bus its own address"})
		}
		seen[ch.Address] = true
		errs = append(errs, ch.validate())
	}
	return errors.Join(errs...)
}

// Open makes the bus with its chips. Tables are read here and start now.
func Open(name string, cfg *Config, env hal.Env) (*i2c.Bus, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("i2c-sim %s: %w", name, err)
	}
	p := NewPort()
	for i := range cfg.Chips {
		dev, err := cfg.Chips[i].open(env)
		if err != nil {
			return nil, fmt.Errorf("i2c-sim %s: %w", name, err)
		}
		if dev != nil {
			p.Attach(uint16(cfg.Chips[i].Address), dev)
		}
	}
	return i2c.New(name, p, cfg.Timeout.D(), env.Clock), nil
}

// Device is a simulated chip: one transfer writes w and then reads r. An error is a missing acknowledge or a bus fault.
type Device interface {
	Tx(w, r []byte) error
}

// Port is the wire with its chips. Safe for concurrent use.
type Port struct {
	// Fault, where it is set, is asked before each transfer, counted from 0 over the life of the port; its error is the transfer's.
	Fault func(n int, addr uint16) error

	mu    sync.Mutex
	chips map[uint16]Device
	n     int
}

var _ i2c.Port = (*Port)(nil)

// NewPort is a wire without chips.
func NewPort() *Port { return &Port{chips: map[uint16]Device{}} }

// Attach puts a chip at an address, in place of what was there.
func (p *Port) Attach(addr uint16, d Device) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.chips[addr] = d
}

// Transfers is how many were asked for so far.
func (p *Port) Transfers() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// Tx implements i2c.Port.
func (p *Port) Tx(addr uint16, w, r []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.n
	p.n++
	if p.Fault != nil {
		if err := p.Fault(n, addr); err != nil {
			return err
		}
	}
	d := p.chips[addr]
	if d == nil {
		return fmt.Errorf("no acknowledge from %#02x: %w", addr, hal.ErrNoDevice)
	}
	return d.Tx(w, r)
}

// Close implements i2c.Port.
func (p *Port) Close() error { return nil }
