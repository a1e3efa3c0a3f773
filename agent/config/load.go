package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"

	"wayside/hal"
)

// maxFile bounds a configuration file: a hostile or mistaken path must not fill the memory.
const maxFile = 1 << 20

// Problem is one thing wrong with a file.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"` // 0 if it concerns the file as a whole
	Key    string `json:"key,omitempty"`  // such as sensor[1].period; elements count from 0
	Reason string `json:"reason"`
	Remedy string `json:"remedy,omitempty"`
}

// String is "file:line: key: reason; remedy".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Key != "" {
		b.WriteString(": " + p.Key)
	}
	b.WriteString(": " + p.Reason)
	if p.Remedy != "" {
		b.WriteString("; " + p.Remedy)
	}
	return b.String()
}

// Error is everything that is wrong with a file, in the order of its lines. It always means: wrong configuration, nothing was changed.
type Error struct{ Problems []Problem }

// Error has one problem per line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Report adds a problem at a key of the file; the file and the line are found by the loader.
type Report func(key, reason, remedy string)

// Check is a further check that the caller brings: of things that config may not know, such as the feature vocabulary.
type Check func(c *Config, report Report)

// Load reads, decodes and validates a file and runs the further checks. The error is an *Error with all problems, or the reason why the
// file cannot be read.
func Load(path string, checks ...Check) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("config: read %s: %w", path, err)
	}
	if len(text) > maxFile {
		return nil, &Error{[]Problem{{File: path, Reason: fmt.Sprintf("is longer than %d bytes", maxFile), Remedy: "name a configuration file"}}}
	}
	return Parse(text, path, checks...)
}

// Parse is Load for text that is already in memory; path names it in problems, and its folder is where relative paths start.
func Parse(text []byte, path string, checks ...Check) (*Config, error) {
	var problems []Problem
	var tree map[string]any
	if _, err := toml.Decode(string(text), &tree); err != nil {
		return nil, &Error{[]Problem{syntaxProblem(path, err)}}
	}
	dir := filepath.Dir(path)
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	c := &Config{File: path, Dir: dir, source: text, lines: indexLines(string(text))}
	seen := map[string]bool{}
	report := func(key, reason, remedy string) {
		p := Problem{File: path, Line: c.lines.at(key), Key: key, Reason: reason, Remedy: remedy}
		if !seen[p.String()] {
			seen[p.String()] = true
			problems = append(problems, p)
		}
	}
	c.decode(tree, report)
	// Checks across the file only make sense of keys that were understood: a mistyped name would be reported again wherever it is used.
	bad := map[string]bool{}
	for _, p := range problems {
		bad[p.Key] = true
	}
	c.validate(func(key, reason, remedy string) {
		if !bad[key] {
			report(key, reason, remedy)
		}
	})
	for _, check := range checks {
		check(c, report)
	}
	if len(problems) > 0 {
		sort.SliceStable(problems, func(i, j int) bool { return problems[i].Line < problems[j].Line })
		return nil, &Error{problems}
	}
	return c, nil
}

// syntaxProblem is what the TOML parser says, with its line.
func syntaxProblem(path string, err error) Problem {
	p := Problem{File: path, Reason: "not TOML: " + err.Error()}
	var pe toml.ParseError
	if errors.As(err, &pe) {
		p.Line = pe.Position.Line
		p.Reason = "not TOML: " + pe.Message
		if pe.Usage != "" {
			p.Remedy = strings.Join(strings.Fields(pe.Usage), " ")
		}
	}
	return p
}

// decode fills c from the tree. Tables of drivers take the driver's keys beside the common ones.
func (c *Config) decode(tree map[string]any, report Report) {
	d := &decoder{report: report}
	root := reflect.ValueOf(c).Elem()
	setDefaults(root)
	known := map[string]bool{}
	for _, f := range fields(root) {
		known[f.key] = true
		raw, ok := tree[f.key]
		if !ok {
			continue
		}
		switch f.key {
		case "bus":
			c.Buses = withDriver(d, f.key, raw, func(b *Bus, path string) any {
				def, ok := hal.FindBus(b.Kind)
				if !ok {
					report(join(path, "kind"), unknownDriver(b.Kind, "bus"), suggestIn(b.Kind, hal.Buses(), func(x hal.BusDriver) string { return x.Kind }))
					return nil
				}
				b.Def, b.Settings = def, def.Config()
				return b.Settings
			})
		case "sensor":
			c.Sensors = withDriver(d, f.key, raw, func(s *Sensor, path string) any {
				def, ok := hal.FindSensor(s.Driver)
				if !ok {
					report(join(path, "driver"), unknownDriver(s.Driver, "sensor"), suggestIn(s.Driver, hal.Sensors(), func(x hal.SensorDriver) string { return x.Name }))
					return nil
				}
				s.Def, s.Settings = def, def.Config()
				return s.Settings
			})
		case "output":
			c.Outputs = withDriver(d, f.key, raw, func(o *Output, path string) any {
				def, ok := hal.FindOutput(o.Kind)
				if !ok {
					remedy := suggestIn(o.Kind, hal.Outputs(), func(x hal.OutputDriver) string { return x.Kind })
					if realKinds[o.Kind] {
						remedy = "real outputs do not exist in this version; only simulated ones do: " + simulatedKinds()
					}
					report(join(path, "kind"), unknownDriver(o.Kind, "output"), remedy)
					return nil
				}
				o.Def, o.Settings = def, def.Config()
				return o.Settings
			})
		default:
			d.value(f.key, raw, f.v)
		}
	}
	for k := range tree {
		if !known[k] {
			report(k, "unknown key", suggest(k, known))
		}
	}
}

// realKinds are words a person would write for a real output: they deserve a straight answer.
var realKinds = map[string]bool{"gpio": true, "gpiochip": true, "relay": true, "modbus": true, "modbus-tcp": true, "pwm": true, "coil": true, "gpio-cdev": true}

func simulatedKinds() string {
	var names []string
	for _, o := range hal.Outputs() {
		if o.Simulated {
			names = append(names, o.Kind)
		}
	}
	return strings.Join(names, ", ")
}

func unknownDriver(name, what string) string {
	if name == "" {
		return "missing"
	}
	return fmt.Sprintf("%q is no kind of %s", name, what)
}

func suggestIn[T any](word string, list []T, name func(T) string) string {
	known := map[string]bool{}
	for _, x := range list {
		known[name(x)] = true
	}
	return suggest(word, known)
}

// withDriver decodes an array of tables whose tables also have a driver's keys. pick is called once the common keys are known and
// returns the driver's settings, or nil if the driver is unknown: then its keys cannot be judged and are left alone.
func withDriver[T any](d *decoder, key string, raw any, pick func(*T, string) any) []T {
	list := reflect.ValueOf(raw)
	if list.Kind() != reflect.Slice {
		d.report(key, "is "+kindOf(raw), "write [["+key+"]]")
		return nil
	}
	out := make([]T, list.Len())
	for i := range out {
		path := fmt.Sprintf("%s[%d]", key, i)
		m, ok := list.Index(i).Interface().(map[string]any)
		if !ok {
			d.report(path, "is "+kindOf(list.Index(i).Interface()), "write [["+key+"]]")
			continue
		}
		common := reflect.ValueOf(&out[i]).Elem()
		setDefaults(common)
		// First the common keys alone, to learn which driver it is; its problems are reported in the second round.
		quiet := &decoder{report: func(string, string, string) {}}
		quiet.table(path, m, common)
		settings := pick(&out[i], path)
		if settings == nil {
			known := map[string]any{}
			for _, f := range fields(common) {
				if v, ok := m[f.key]; ok {
					known[f.key] = v
				}
			}
			d.table(path, known, common)
			continue
		}
		d.table(path, m, common, reflect.ValueOf(settings).Elem())
	}
	return out
}

// StateDirOf is the state folder of a file that may be broken: as the file says, if that can still be made out, else the default.
func StateDirOf(path string) string {
	var site Site
	setDefaults(reflect.ValueOf(&site).Elem())
	dir := site.StateDir
	if text, err := os.ReadFile(path); err == nil && len(text) <= maxFile {
		if m := stateDirLine.FindSubmatch(text); m != nil {
			dir = string(m[1])
		}
	}
	if filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(filepath.Dir(path), dir)
}

var stateDirLine = regexp.MustCompile(`(?m)^\s*state_dir\s*=\s*["']([^"'\n]+)["']`)
