package gpiochip

import (
	"context"
	"errors"
	"fmt"

	"wayside/hal"
)

// LineRef is a line as settings name it, for the drivers that use one.
type LineRef struct {
	Chip       string // key chip: socket of the chip
	Line       int    // key line: offset; -1 where the settings say nothing
	ExpectName string // key expect_name: name the line must have; empty: not checked
	Consumer   string // key consumer: name the claim shows
}

// Validate checks the settings without touching the chip.
func (r LineRef) Validate() error {
	var errs []error
	if r.Chip == "" {
		errs = append(errs, &hal.KeyError{Key: "chip", Reason: "is missing", Remedy: `give the socket of the simulated chip, such as chip = "gpio.sock"`})
	}
	if r.Line < 0 || r.Line >= MaxLines {
		errs = append(errs, &hal.KeyError{Key: "line", Reason: "is missing or out of range", Remedy: fmt.Sprintf("give the line's number, 0 to %d", MaxLines-1)})
	}
	if r.Consumer == "" || len(r.Consumer) > maxConsumer {
		errs = append(errs, &hal.KeyError{Key: "consumer", Reason: "is empty or too long", Remedy: fmt.Sprintf("leave the key out or give a name of at most %d bytes", maxConsumer)})
	}
	return errors.Join(errs...)
}

// Dial connects to the line's chip and looks at the line without claiming it. A line of another name than expected is refused.
// The caller closes the client.
func (r LineRef) Dial(ctx context.Context, env hal.Env) (*Client, Line, error) {
	c, err := Dial(ctx, env.Path(r.Chip))
	if err != nil {
		return nil, Line{}, err
	}
	l, err := c.Line(ctx, r.Line)
	if err == nil && r.ExpectName != "" && l.Name != r.ExpectName {
		err = &hal.KeyError{Key: "expect_name", Reason: fmt.Sprintf("line %d is called %q and not %q", r.Line, l.Name, r.ExpectName), Remedy: "check chip and line"}
	}
	if err != nil {
		_ = c.Close() // nothing was claimed
		return nil, Line{}, err
	}
	return c, l, nil
}
