package i2csim

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"strings"
	"time"

	"wayside/hal"
	"wayside/hal/sim/ads1115"
	"wayside/hal/sim/bme280"
	"wayside/hal/table"
)

// Chip is one [[bus.chip]]: a type at an address and where its physical values come from. A quantity is a constant in values, or a
// column of the table in columns.
type Chip struct {
	Type    string             `toml:"type"`    // ads1115, bme280 or bmp280
	Address int                `toml:"address"` // such as 0x48
	Values  map[string]float64 `toml:"values"`  // by quantity; what is named nowhere has an ordinary value
	File    string             `toml:"file"`    // CSV table, relative to the configuration file
	Columns map[string]string  `toml:"columns"` // column of each quantity
	Step    hal.Duration       `toml:"step"`    // time of one row; default 1s
	Loop    bool               `toml:"loop"`    // begin again after the last row; else the chip loses its power there
	Shunt   float64            `toml:"shunt_ohms"`
	Fault   string             `toml:"fault"` // "", absent, wrong-id or stuck-busy
}

// quantities of each type, with the values of those that the settings leave out. a0 to a3 are volts at the pins; loop0 to loop3 are
// milliamperes through shunt_ohms and win over a0 to a3.
var quantities = map[string]map[string]float64{
	"ads1115": {"a0": 0, "a1": 0, "a2": 0, "a3": 0, "loop0": math.NaN(), "loop1": math.NaN(), "loop2": math.NaN(), "loop3": math.NaN()},
	"bme280":  {"temperature": 20, "pressure": 1013.25, "humidity": 50},
	"bmp280":  {"temperature": 20, "pressure": 1013.25},
}

var faults = map[string]string{"": "any", "absent": "any", "wrong-id": "bm", "stuck-busy": "bm"}

func (c *Chip) validate() error {
	var errs []error
	bad := func(key, reason, remedy string) {
		errs = append(errs, &hal.KeyError{Key: "chip." + key, Reason: reason, Remedy: remedy})
	}
	known, ok := quantities[c.Type]
	if !ok {
		bad("type", fmt.Sprintf("%q is unknown", c.Type), "give "+names(quantities))
		return errors.Join(errs...)
	}
	// Data sheets: ADS111x SBAS444D table 4, BME280 DS002 6.2.
	lo, hi := 0x76, 0x77
	if c.Type == "ads1115" {
		lo, hi = 0x48, 0x4b
	}
	if c.Address < lo || c.Address > hi {
		bad("address", fmt.Sprintf("%#02x is none of this chip's", c.Address), fmt.Sprintf("give %#02x to %#02x", lo, hi))
	}
	for _, q := range sorted(c.Values) {
		if _, ok := known[q]; !ok {
			bad("values", fmt.Sprintf("%q is no quantity of this chip", q), "give "+names(known))
		}
		if _, twice := c.Columns[q]; twice {
			bad("columns", fmt.Sprintf("%q is in values too", q), "give each quantity once")
		}
		if v := c.Values[q]; math.IsNaN(v) || math.IsInf(v, 0) {
			bad("values", fmt.Sprintf("%q is not finite", q), "give a number")
		}
	}
	loops := false
	for _, q := range append(sorted(c.Values), sorted(c.Columns)...) {
		loops = loops || strings.HasPrefix(q, "loop")
	}
	for _, q := range sorted(c.Columns) {
		if _, ok := known[q]; !ok {
			bad("columns", fmt.Sprintf("%q is no quantity of this chip", q), "give "+names(known))
		}
	}
	if (len(c.Columns) > 0) != (c.File != "") {
		bad("file", "file and columns go together", "give both or neither")
	}
	if c.Step < 0 {
		bad("step", fmt.Sprintf("%s is negative", c.Step), "give a time above 0")
	}
	if loops != (c.Shunt > 0) || math.IsInf(c.Shunt, 0) || math.IsNaN(c.Shunt) {
		bad("shunt_ohms", "goes together with loop0 to loop3", "give the resistor that the loop's current flows through, or volts in a0 to a3")
	}
	if kind, ok := faults[c.Fault]; !ok || kind == "bm" && c.Type == "ads1115" {
		bad("fault", fmt.Sprintf("%q is unknown for this chip", c.Fault), "give absent, or for a bme280 or bmp280 wrong-id or stuck-busy")
	}
	return errors.Join(errs...)
}

func sorted[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func names[V any](m map[string]V) string { return strings.Join(sorted(m), ", ") }

// open makes the chip; nil where it is absent on purpose.
func (c *Chip) open(env hal.Env) (Device, error) {
	s := &source{clock: env.Clock, begin: env.Clock.Boot(), step: c.Step.D(), loop: c.Loop, constant: map[string]float64{}, columns: map[string][]float64{}}
	if s.step == 0 {
		s.step = time.Second
	}
	for q, v := range quantities[c.Type] {
		s.constant[q] = v
	}
	for q, v := range c.Values {
		s.constant[q] = v
	}
	if c.File != "" {
		t, err := table.File(env.Path(c.File))
		if err != nil {
			return nil, err
		}
		for q, name := range c.Columns {
			if s.columns[q], err = t.Column(name); err != nil {
				return nil, err
			}
		}
	}
	if c.Fault == "absent" {
		return nil, nil
	}
	if c.Type == "ads1115" {
		return ads1115.New(env.Clock, func(pin int) (float64, error) {
			ma, err := s.value(fmt.Sprintf("loop%d", pin))
			if err == nil && math.IsNaN(ma) {
				return s.value(fmt.Sprintf("a%d", pin))
			}
			return ma / 1000 * c.Shunt, err
		}), nil
	}
	id := byte(bme280.IDBME280)
	if c.Type == "bmp280" {
		id = bme280.IDBMP280
	}
	if c.Fault == "wrong-id" {
		id = 0x61
	}
	chip := bme280.New(env.Clock, id, bme280.Example, func() (bme280.Physical, error) {
		t, err := s.value("temperature")
		if err != nil {
			return bme280.Physical{}, err
		}
		p, err := s.value("pressure")
		if err != nil {
			return bme280.Physical{}, err
		}
		h := 0.0
		if c.Type == "bme280" {
			h, err = s.value("humidity")
		}
		return bme280.Physical{Celsius: t, Pascal: 100 * p, Humidity: h}, err
	})
	chip.SetStuckBusy(c.Fault == "stuck-busy")
	return chip, nil
}

// source gives the value of a quantity at the moment.
type source struct {
	clock    hal.Clock
	begin    time.Duration
	step     time.Duration
	loop     bool
	constant map[string]float64
	columns  map[string][]float64
}

var errNoPower = errors.New("the table has ended or has an empty cell here")

func (s *source) value(q string) (float64, error) {
	col := s.columns[q]
	if col == nil {
		return s.constant[q], nil
	}
	row := int((s.clock.Boot() - s.begin) / s.step)
	if s.loop {
		row %= len(col)
	}
	if row >= len(col) || math.IsNaN(col[row]) {
		return 0, errNoPower
	}
	return col[row], nil
}
