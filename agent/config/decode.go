package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// decoder fills structs from TOML's generic tree and collects every problem instead of stopping at the first. The library's own
// decoder stops, and knows lines only of syntax errors.
type decoder struct {
	report func(key, reason, remedy string) // key is the full path, such as sensor[1].period
}

// field is one key that a struct takes.
type field struct {
	key string
	tag reflect.StructTag
	v   reflect.Value
}

// fields lists the keys of a struct, those of embedded structs included.
func fields(v reflect.Value) []field {
	var out []field
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		if f.Anonymous && key == "" && f.Type.Kind() == reflect.Struct {
			out = append(out, fields(v.Field(i))...)
			continue
		}
		if !f.IsExported() || key == "-" {
			continue
		}
		if key == "" {
			key = strings.ToLower(f.Name)
		}
		out = append(out, field{key, f.Tag, v.Field(i)})
	}
	return out
}

// table decodes one TOML table into one or more structs (a table of a driver has the common keys and the driver's). Every key must
// belong to one of them. path is the table's own key path, empty for the root.
func (d *decoder) table(path string, m map[string]any, targets ...reflect.Value) {
	known := map[string]bool{}
	for _, target := range targets {
		for _, f := range fields(target) {
			known[f.key] = true
			if raw, ok := m[f.key]; ok {
				d.value(join(path, f.key), raw, f.v)
			}
		}
	}
	var unknown []string
	for k := range m {
		if !known[k] {
			unknown = append(unknown, k)
		}
	}
	sort.Strings(unknown)
	for _, k := range unknown {
		d.report(join(path, k), "unknown key", suggest(k, known))
	}
}

var (
	tomlUnmarshaler = reflect.TypeFor[toml.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// value decodes one TOML value.
func (d *decoder) value(path string, raw any, v reflect.Value) {
	if v.CanAddr() {
		if p := v.Addr(); p.Type().Implements(tomlUnmarshaler) {
			if err := p.Interface().(toml.Unmarshaler).UnmarshalTOML(raw); err != nil {
				d.fail(path, err)
			}
			return
		} else if p.Type().Implements(textUnmarshaler) {
			s, ok := raw.(string)
			if !ok {
				d.report(path, "is "+kindOf(raw), "write it as text in quotes")
				return
			}
			if err := p.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
				d.fail(path, err)
			}
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		n := reflect.New(v.Type().Elem())
		setDefaults(n.Elem())
		d.value(path, raw, n.Elem())
		v.Set(n)
	case reflect.Struct:
		m, ok := raw.(map[string]any)
		if !ok {
			d.report(path, "is "+kindOf(raw), "write a table: "+path+" = { … }")
			return
		}
		d.table(path, m, v)
	case reflect.Slice:
		d.slice(path, raw, v)
	case reflect.Map:
		d.mapping(path, raw, v)
	default:
		d.scalar(path, raw, v)
	}
}

func (d *decoder) slice(path string, raw any, v reflect.Value) {
	r := reflect.ValueOf(raw)
	if r.Kind() != reflect.Slice {
		d.report(path, "is "+kindOf(raw), "write a list: [ … ]")
		return
	}
	out := reflect.MakeSlice(v.Type(), r.Len(), r.Len())
	for i := range r.Len() {
		setDefaults(out.Index(i))
		d.value(fmt.Sprintf("%s[%d]", path, i), r.Index(i).Interface(), out.Index(i))
	}
	v.Set(out)
}

func (d *decoder) mapping(path string, raw any, v reflect.Value) {
	m, ok := raw.(map[string]any)
	if !ok || v.Type().Key().Kind() != reflect.String {
		d.report(path, "is "+kindOf(raw), "write a table: { … }")
		return
	}
	out := reflect.MakeMap(v.Type())
	for k, e := range m {
		n := reflect.New(v.Type().Elem()).Elem()
		setDefaults(n)
		d.value(join(path, k), e, n)
		out.SetMapIndex(reflect.ValueOf(k).Convert(v.Type().Key()), n)
	}
	v.Set(out)
}

func (d *decoder) scalar(path string, raw any, v reflect.Value) {
	bad := func(want string) { d.report(path, "is "+kindOf(raw), "write "+want) }
	switch v.Kind() {
	case reflect.String:
		if s, ok := raw.(string); ok {
			v.SetString(s)
		} else {
			bad("text in quotes")
		}
	case reflect.Bool:
		if b, ok := raw.(bool); ok {
			v.SetBool(b)
		} else {
			bad("true or false")
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, ok := raw.(int64)
		if !ok {
			bad("a whole number")
		} else if v.OverflowInt(n) {
			d.report(path, fmt.Sprintf("%d is too large", n), fmt.Sprintf("write a number that fits %d bits", v.Type().Bits()))
		} else {
			v.SetInt(n)
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, ok := raw.(int64)
		if !ok {
			bad("a whole number")
		} else if n < 0 || v.OverflowUint(uint64(n)) {
			limit := uint64(math.MaxUint64) >> (64 - v.Type().Bits())
			d.report(path, fmt.Sprintf("%d is out of range", n), fmt.Sprintf("write a number from 0 to %d", limit))
		} else {
			v.SetUint(uint64(n))
		}
	case reflect.Float32, reflect.Float64:
		f, ok := toFloat(raw)
		switch {
		case !ok:
			bad("a number")
		case math.IsNaN(f) || math.IsInf(f, 0):
			d.report(path, "is not a finite number", "write a number")
		default:
			v.SetFloat(f)
		}
	case reflect.Interface:
		v.Set(reflect.ValueOf(raw))
	default:
		panic("config: no decoder for the type of " + path + ": " + v.Type().String())
	}
}

// fail reports an unmarshaler's error; a remedy stands after "; " or ": write" in ours and in hal's.
func (d *decoder) fail(path string, err error) {
	var r *remedyError
	if errors.As(err, &r) {
		d.report(path, r.reason, r.remedy)
		return
	}
	reason, remedy, ok := strings.Cut(err.Error(), ": write ")
	if ok {
		remedy = "write " + remedy
	}
	d.report(path, reason, remedy)
}

type remedyError struct{ reason, remedy string }

func (e *remedyError) Error() string { return e.reason + "; " + e.remedy }

func toFloat(raw any) (float64, bool) {
	switch n := raw.(type) {
	case float64:
		return n, true
	case int64:
		return float64(n), true
	}
	return 0, false
}

// kindOf names a TOML value's type for people.
func kindOf(raw any) string {
	switch x := raw.(type) {
	case string:
		return strconv.Quote(x) + ", a text"
	case bool:
		return strconv.FormatBool(x) + ", true or false"
	case int64:
		return strconv.FormatInt(x, 10) + ", a whole number"
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64) + ", a number with a fraction"
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "a list"
	}
	return "a date or time"
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// setDefaults writes the `default` tags of a struct into it, so that the reference and the behaviour have one source.
func setDefaults(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	d := &decoder{report: func(key, reason, _ string) { panic("config: default of " + key + ": " + reason) }}
	for _, f := range fields(v) {
		def, ok := f.tag.Lookup("default")
		switch {
		case !ok:
			setDefaults(f.v)
		default:
			d.value(f.key, defaultValue(def, f.v), f.v)
		}
	}
}

// defaultValue turns the text of a default tag into what TOML would have decoded.
func defaultValue(def string, v reflect.Value) any {
	if v.CanAddr() && v.Addr().Type().Implements(textUnmarshaler) {
		return def
	}
	switch v.Kind() {
	case reflect.Bool:
		return def == "true"
	case reflect.Int:
		n, _ := strconv.ParseInt(def, 10, 64)
		return n
	case reflect.Float64:
		f, _ := strconv.ParseFloat(def, 64)
		return f
	case reflect.Slice:
		return []any{def}
	}
	return def
}

// suggest is the remedy for an unknown key or name.
func suggest(word string, known map[string]bool) string {
	names := make([]string, 0, len(known))
	for k := range known {
		names = append(names, k)
	}
	sort.Strings(names)
	if n := nearest(word, names); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	if len(names) == 0 {
		return "there is none to choose from"
	}
	return "known here: " + strings.Join(names, ", ")
}

// nearest is the name with the least edits from word, if that is at most a third of the word's length (at least 2).
func nearest(word string, names []string) string {
	best, bestDist := "", max(2, len(word)/3)+1
	for _, n := range names {
		if d := distance(strings.ToLower(word), strings.ToLower(n)); d < bestDist {
			best, bestDist = n, d
		}
	}
	return best
}

// distance is the number of single-byte insertions, deletions, replacements and swaps of neighbours between two words.
func distance(a, b string) int {
	prev2 := make([]int, len(b)+1)
	prev := make([]int, len(b)+1)
	cur := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

// UnmarshalText reads "off" or "on".
func (v *Value) UnmarshalText(b []byte) error {
	switch string(b) {
	case "off":
		*v = Off
	case "on":
		*v = On
	default:
		return &remedyError{strconv.Quote(string(b)) + " is no state of an output", `write "off" or "on"`}
	}
	return nil
}

// MarshalText writes String's form.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalTOML reads [min, max].
func (r *Range) UnmarshalTOML(raw any) error {
	list, ok := raw.([]any)
	if !ok || len(list) != 2 {
		return &remedyError{"is not a pair of numbers", "write [lowest, highest]"}
	}
	lo, ok1 := toFloat(list[0])
	hi, ok2 := toFloat(list[1])
	if !ok1 || !ok2 || !(lo < hi) || math.IsInf(lo, 0) || math.IsInf(hi, 0) {
		return &remedyError{"is not a lowest and a highest number", "write [lowest, highest]"}
	}
	r.Min, r.Max = lo, hi
	return nil
}

// UnmarshalText reads "512KiB", "16MiB", "1GiB" or "4096".
func (b *Bytes) UnmarshalText(text []byte) error {
	digits := strings.TrimRight(string(text), "KMGiB")
	mult, ok := map[string]int64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[string(text)[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 0 || n > math.MaxInt64/mult {
		return &remedyError{strconv.Quote(string(text)) + " is not a size", `write a whole number with KiB, MiB or GiB, such as "16MiB"`}
	}
	*b = Bytes(n * mult)
	return nil
}

// MarshalText writes the largest unit that divides the size.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String is the text form.
func (b Bytes) String() string {
	for _, u := range []struct {
		name string
		n    Bytes
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if b >= u.n && b%u.n == 0 {
			return strconv.FormatInt(int64(b/u.n), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}
