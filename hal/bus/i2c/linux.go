package i2c

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"periph.io/x/host/v3/sysfs"

	"wayside/hal"
)

// Config are the keys of [[bus]] with kind = "i2c".
type Config struct {
	Device  string       `toml:"device"`  // "/dev/i2c-1"
	Timeout hal.Duration `toml:"timeout"` // longest use of a chip for one reading; default 500ms
}

const devPrefix = "/dev/i2c-"

func init() {
	hal.RegisterBus(hal.BusDriver{
		Kind: "i2c", Doc: "Linux I2C adapter, /dev/i2c-N",
		Config:   func() any { return &Config{Timeout: hal.Duration(500 * time.Millisecond)} },
		Validate: func(cfg any) error { return cfg.(*Config).Validate() },
		Open: func(_ context.Context, name string, cfg any, env hal.Env) (hal.Bus, error) {
			return Open(name, cfg.(*Config), env.Clock)
		},
	})
}

// Validate checks the keys without touching the device.
func (c *Config) Validate() error {
	var errs []error
	if _, err := c.number(); err != nil {
		errs = append(errs, &hal.KeyError{Key: "device", Reason: fmt.Sprintf("%q is no I2C device", c.Device), Remedy: `give its path, such as device = "/dev/i2c-1"`})
	}
	return errors.Join(append(errs, ValidateTimeout(c.Timeout))...)
}

// ValidateTimeout checks the key timeout of any bus of this family.
func ValidateTimeout(d hal.Duration) error {
	if d.D() < time.Millisecond || d.D() > time.Minute {
		return &hal.KeyError{Key: "timeout", Reason: fmt.Sprintf("%s is out of range", d), Remedy: "give 1ms to 1m"}
	}
	return nil
}

func (c *Config) number() (int, error) {
	n, found := strings.CutPrefix(c.Device, devPrefix)
	if !found {
		return 0, strconv.ErrSyntax
	}
	v, err := strconv.ParseUint(n, 10, 16)
	return int(v), err
}

// Open opens the adapter. Only this adapter is touched: periph's other drivers are not initialized.
func Open(name string, cfg *Config, clock hal.Clock) (*Bus, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("i2c %s: %w", name, err)
	}
	n, err := cfg.number()
	if err != nil {
		return nil, fmt.Errorf("i2c %s: %w", name, err)
	}
	// periph's own errors have lost their kind, so the two common ones are told here.
	f, err := os.OpenFile(cfg.Device, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("i2c %s: %s is not there (is the bus enabled in the device tree, is i2c-dev loaded?): %w", name, cfg.Device, hal.ErrNoDevice)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("i2c %s: no permission for %s (add the service's user to the device's group): %w", name, cfg.Device, err)
	case err != nil:
		return nil, fmt.Errorf("i2c %s: %w", name, err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("i2c %s: %w", name, err)
	}
	bus, err := sysfs.NewI2C(n)
	if err != nil {
		return nil, fmt.Errorf("i2c %s: %w", name, err)
	}
	return New(name, sysfsPort{bus}, cfg.Timeout.D(), clock), nil
}

type sysfsPort struct{ *sysfs.I2C }

// Tx gives periph's errors their kind back.
func (p sysfsPort) Tx(addr uint16, w, r []byte) error { return classify(p.I2C.Tx(addr, w, r)) }

// absent are the answers of adapters to an address that nobody acknowledges: i2c-bcm2835 says EREMOTEIO at once, i2c-imx ETIMEDOUT after up
// to 400 ms, others ENXIO (kernel Documentation/i2c/fault-codes.rst); ENODEV is an adapter that was unplugged.
var absent = []syscall.Errno{syscall.EREMOTEIO, syscall.ENXIO, syscall.ENODEV, syscall.ETIMEDOUT}

// classify finds the errno in the text that periph v3.8.5 made of it with %v.
func classify(err error) error {
	if err == nil {
		return nil
	}
	for _, no := range absent {
		if strings.HasSuffix(err.Error(), no.Error()) {
			return fmt.Errorf("%w: %w", err, hal.ErrNoDevice)
		}
	}
	if strings.HasSuffix(err.Error(), syscall.EOPNOTSUPP.Error()) {
		return fmt.Errorf("%w (the adapter speaks SMBus only)", err)
	}
	return err
}
