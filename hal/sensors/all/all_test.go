package all

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"wayside/hal"
)

// TestFoldersAndLines: every folder of hal that registers a driver has a line in all.go, every line has a folder, and the lines are sorted.
func TestFoldersAndLines(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "all.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, i := range f.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimPrefix(p, "wayside/hal/"))
	}
	if !sort.StringsAreSorted(lines) {
		t.Errorf("all.go is not sorted: %v", lines)
	}
	root := filepath.Join("..", "..")
	var folders []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, call := range []string{"\thal.RegisterBus(", "\thal.RegisterSensor(", "\thal.RegisterOutput("} {
			if strings.Contains(string(src), call) {
				rel, err := filepath.Rel(root, filepath.Dir(path))
				if err != nil {
					return err
				}
				folders = append(folders, filepath.ToSlash(rel))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(folders)
	if folders = slices.Compact(folders); !slices.Equal(folders, lines) {
		t.Errorf("folders with drivers: %v\nlines in all.go:      %v", folders, lines)
	}
}

// TestDrivers checks what every registered driver promises: a new pointer to a struct for each Config, a toml tag on each field, and a Validate
// that survives its own defaults.
func TestDrivers(t *testing.T) {
	type driver struct {
		name, doc string
		config    func() any
		validate  func(any) error
	}
	var all []driver
	families := map[string]bool{"": true}
	for _, d := range hal.Buses() {
		all = append(all, driver{"bus " + d.Kind, d.Doc, d.Config, d.Validate})
		families[d.Serves()] = true
	}
	for _, d := range hal.Sensors() {
		all = append(all, driver{"sensor " + d.Name, d.Doc, d.Config, d.Validate})
		if !families[d.NeedsBus] {
			t.Errorf("sensor %s needs a bus of family %q, which none serves", d.Name, d.NeedsBus)
		}
	}
	for _, d := range hal.Outputs() {
		all = append(all, driver{"output " + d.Kind, d.Doc, d.Config, d.Validate})
	}
	if len(all) < 9 {
		t.Errorf("%d drivers", len(all))
	}
	for _, d := range all {
		if d.doc == "" {
			t.Errorf("%s: no Doc", d.name)
		}
		a, b := d.config(), d.config()
		v := reflect.ValueOf(a)
		if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct || a == b {
			t.Errorf("%s: Config gives %T, want a new pointer to a struct each time", d.name, a)
			continue
		}
		for i := range v.Elem().NumField() {
			if f := v.Elem().Type().Field(i); f.Tag.Get("toml") == "" {
				t.Errorf("%s: field %s has no toml tag", d.name, f.Name)
			}
		}
		_ = d.validate(a) // defaults may be incomplete; they must not panic
	}
	for sensor, bus := range map[string]string{"ads1115": "i2c-sim", "bme280": "i2c", "modbus": "modbus-tcp"} {
		s, _ := hal.FindSensor(sensor)
		b, _ := hal.FindBus(bus)
		if !s.Accepts(b) {
			t.Errorf("%s does not go on %s", sensor, bus)
		}
	}
}
