package demo

import (
	"fmt"
	"path/filepath"
	"time"

	"wayside/agent/guard/audit"
	"wayside/hal/sim/gpiochip"
)

// lateness is what a busy laptop may add to max_on; a minimum time is never shortened.
const lateness = 300 * time.Millisecond

// audit holds the chip's own record of the sign against the declared rules and the guardian's records, and gives what does not fit in words.
func (s *stage) audit(record []gpiochip.Event) ([]string, error) {
	o := s.cfg.Output(outputSign)
	if o == nil {
		return nil, fmt.Errorf("demo: the configuration has no output %s", outputSign)
	}
	limits := audit.FromOutput(o, lateness)
	wrong := audit.Check(limits, signLine, record).Violations
	_, unrecorded, err := audit.Account(filepath.Join(s.cfg.StateDir(), "guard"), outputSign, signLine, record, limits)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	var text []string
	for _, v := range append(wrong, unrecorded...) {
		text = append(text, v.String())
	}
	return text, nil
}
