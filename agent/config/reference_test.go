package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"wayside/hal"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

// TestReference keeps docs/configuration.md equal to what the structs and the drivers say. -update writes it.
func TestReference(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "configuration.md")
	want := reference(t)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/configuration.md is not what the code says: go test ./agent/config -run TestReference -update")
	}
	// Every example in it is a file that loads.
	n := 0
	for rest := string(got); ; n++ {
		_, after, ok := strings.Cut(rest, "```toml\n")
		if !ok {
			break
		}
		var text string
		text, rest, _ = strings.Cut(after, "```")
		if _, err := Parse([]byte(text), "docs/configuration.md"); err != nil {
			t.Errorf("example %d: %v", n+1, err)
		}
	}
	if n == 0 {
		t.Error("the reference has no example")
	}
}

func reference(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`# Configuration

One TOML file describes a site. It is strict: an unknown key, a wrong type or a name that refers to nothing is an error, and ` + "`wayside check FILE`" + `
lists all of them at once, each with file, line, reason and remedy. Relative paths start from the file's folder. Durations are text with a unit
("80ms", "2.4s", "15m"), sizes too ("512KiB", "16MiB"). Names are letters, digits, - and _. This page is written by a test from the code.

` + "```toml\n" + good + "```\n")
	tables := []struct{ head, lead string }{
		{"[site]", ""},
		{"[agent]", ""},
		{"[guard]", "socket, tick and record_size, like site.state_dir, change only by stopping and starting the guardian."},
		{"[[bus]]", "The driver's own keys stand in the same table: see Bus drivers."},
		{"[[sensor]]", "The driver's own keys stand in the same table: see Sensor drivers."},
		{"[[model]]", ""},
		{"[[model]] limits", ""},
		{"[[task]]", ""},
		{"[[task]] normalize", ""},
		{"[[task]] score", ""},
		{"[[task.rule]]", "Either on_above (with off_below) or on_below (with off_above)."},
		{"[[output]]", `The driver's own keys stand in the same table: see Output drivers. Going safe has priority over everything else: it neither waits for min_on or
min_off nor for the record, and max_ops_per_hour does not hold it up. Leaving the safe state needs every rule, and the record of it on disk. If several tasks are
listed, the output leaves its safe state while any of them holds a lease. After max_on the safe state must be asked for once before the other is granted again.`},
		{"[[interlock]]", "An interlock can only forbid. While it does, the output is in its safe state."},
	}
	for i, v := range []any{Site{}, Agent{}, Guard{}, Bus{}, Sensor{}, Model{}, ModelLimits{}, Task{}, Normalize{}, Score{}, Rule{}, Output{}, Interlock{}} {
		fmt.Fprintf(&b, "\n## %s\n\n", tables[i].head)
		if tables[i].lead != "" {
			b.WriteString(tables[i].lead + "\n\n")
		}
		b.WriteString("| key | what | default | example |\n| --- | --- | --- | --- |\n")
		s := reflect.New(reflect.TypeOf(v)).Elem()
		for _, f := range fields(s) {
			doc := f.tag.Get("doc")
			if doc == "" {
				t.Errorf("%s: key %s has no doc tag", tables[i].head, f.key)
			}
			def := f.tag.Get("default")
			if implied := f.tag.Get("implied"); implied != "" {
				def = implied
			}
			if def == "value" {
				def = `["value"]`
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.key, cell(doc), code(def), code(f.tag.Get("example")))
		}
	}
	b.WriteString("\n## Bus drivers\n")
	for _, d := range hal.Buses() {
		driver(&b, "kind", d.Kind, d.Doc, "", d.Config())
	}
	b.WriteString("\n## Sensor drivers\n")
	for _, d := range hal.Sensors() {
		driver(&b, "driver", d.Name, d.Doc, d.NeedsBus, d.Config())
	}
	b.WriteString("\n## Output drivers\n\nReal outputs do not exist in this version.\n")
	for _, d := range hal.Outputs() {
		driver(&b, "kind", d.Kind, d.Doc, "", d.Config())
	}
	return b.String()
}

func driver(b *strings.Builder, key, name, doc, bus string, cfg any) {
	fmt.Fprintf(b, "\n`%s = %q`: %s.", key, name, doc)
	if bus != "" {
		fmt.Fprintf(b, " Needs a bus of kind %s.", bus)
	}
	b.WriteString(" Keys:\n\n")
	for _, f := range fields(reflect.ValueOf(cfg).Elem()) {
		fmt.Fprintf(b, "- `%s`: %s", f.key, kindName(f.v))
		if !f.v.IsZero() && f.v.Kind() != reflect.Struct && fmt.Sprint(f.v.Interface()) != "-1" {
			fmt.Fprintf(b, ", default %v", f.v.Interface())
		}
		b.WriteString("\n")
	}
}

func kindName(v reflect.Value) string {
	if v.Type() == reflect.TypeFor[hal.Duration]() {
		return "duration"
	}
	switch v.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list"
	case reflect.Map, reflect.Struct:
		return "table"
	case reflect.Pointer:
		return kindName(reflect.New(v.Type().Elem()).Elem())
	}
	return "whole number"
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + cell(s) + "`"
}
