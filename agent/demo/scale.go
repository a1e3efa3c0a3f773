package demo

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"github.com/BurntSushi/toml"
)

// rates are the keys of a configuration that count something per time: they grow when times shrink.
var rates = map[string]bool{"max_rate": true, "max_ops_per_hour": true}

// overlay is what the demo fills in: table → key → value. A table of an array is named "bus.loops": the element of that name.
type overlay map[string]map[string]any

// scaleConfig turns the demo's configuration, whose times are replayed seconds, into one with real times. Every text that is a
// duration is divided by speed, every rate multiplied; then fill is laid over it.
func scaleConfig(file []byte, speed float64, fill overlay) ([]byte, error) {
	var tree map[string]any
	if _, err := toml.Decode(string(file), &tree); err != nil {
		return nil, fmt.Errorf("demo: configuration: %w", err)
	}
	for k, v := range tree {
		tree[k] = scaleValue(k, v, speed)
	}
	for table, keys := range fill {
		t, err := findTable(tree, table)
		if err != nil {
			return nil, err
		}
		for k, v := range keys {
			t[k] = v
		}
	}
	var out bytes.Buffer
	out.WriteString("# Written by wayside demo from its own configuration, with times divided by the speed of the replay.\n")
	enc := toml.NewEncoder(&out)
	enc.Indent = ""
	if err := enc.Encode(tree); err != nil {
		return nil, fmt.Errorf("demo: configuration: %w", err)
	}
	return out.Bytes(), nil
}

func scaleValue(key string, v any, speed float64) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			x[k] = scaleValue(k, e, speed)
		}
	case []map[string]any:
		for _, t := range x {
			scaleValue(key, t, speed)
		}
	case string:
		if d, err := time.ParseDuration(x); err == nil {
			return time.Duration(math.Round(float64(d) / speed)).String()
		}
	case int64:
		if rates[key] {
			return int64(math.Round(float64(x) * speed))
		}
	case float64:
		if rates[key] {
			return x * speed
		}
	}
	return v
}

// findTable finds a table by "name", or by "array.element" where element is the value of its key "name".
func findTable(tree map[string]any, path string) (map[string]any, error) {
	name, element := path, ""
	for i := range path {
		if path[i] == '.' {
			name, element = path[:i], path[i+1:]
			break
		}
	}
	switch t := tree[name].(type) {
	case map[string]any:
		if element == "" {
			return t, nil
		}
	case []map[string]any:
		for _, e := range t {
			if e["name"] == element {
				return e, nil
			}
		}
	}
	return nil, fmt.Errorf("demo: configuration: there is no %q to fill in", path)
}
