package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wayside/agent/config"
	"wayside/agent/guard"
)

const checkSite = `[site]
name = "x"
[[sensor]]
name = "door"
driver = "sim-input"
chip = "gpio.sock"
line = 5
period = "50ms"
`

const checkTask = `[[model]]
name = "m"
file = "m.onnx"
[[task]]
name = "t"
sensors = ["door"]
period = "50ms"
window = "100ms"
features = ["value", "sloep"]
model = "m"
`

func runVerb(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	root, _ := newRootCmd()
	var out, errs bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(args)
	if cmd, err := root.ExecuteC(); err != nil {
		code = report(cmd, args, err)
	}
	return code, out.String(), errs.String()
}

func TestCheckVerb(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, bad := write("good.toml", checkSite), write("bad.toml", checkSite+checkTask)

	code, out, errs := runVerb(t, "check", good)
	if code != exitDone || !strings.Contains(out, "door (sim-input, every 50ms)") || errs != "" {
		t.Errorf("good: %d, %q, %q", code, out, errs)
	}
	var sum siteSummary
	if code, out, _ = runVerb(t, "check", good, "--json"); code != exitDone || json.Unmarshal([]byte(out), &sum) != nil || sum.Site != "x" || len(sum.Sensors) != 1 {
		t.Errorf("good as JSON: %d, %q", code, out)
	}
	code, out, errs = runVerb(t, "check", bad)
	if code != exitInput || out != "" || !strings.Contains(errs, bad+":11: model[0].file:") || !strings.Contains(errs, bad+`:17: task[0].features: `) || !strings.Contains(errs, "sloep") {
		t.Errorf("bad: %d, %q, %q", code, out, errs)
	}
	var fail struct {
		Error    string           `json:"error"`
		Problems []config.Problem `json:"problems"`
	}
	if code, out, _ = runVerb(t, "check", bad, "--json"); code != exitInput || json.Unmarshal([]byte(out), &fail) != nil || fail.Error == "" || len(fail.Problems) != 2 || fail.Problems[0].Line != 11 {
		t.Errorf("bad as JSON: %d, %q", code, out)
	}
	if code, _, errs = runVerb(t, "check", filepath.Join(dir, "absent.toml")); code != exitInput || !strings.Contains(errs, "absent.toml") {
		t.Errorf("absent: %d, %q", code, errs)
	}
}

func TestGuardVerb(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.toml")
	if err := os.WriteFile(bad, []byte("[site\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"guard"}, exitInput, "--config FILE is missing"},
		{[]string{"guard", "--config", bad}, exitInput, "no last good configuration"},
		{[]string{"guard", "status", "--socket", filepath.Join(dir, "none.sock")}, exitAbsent, "no guardian answers"},
		{[]string{"guard", "reload", "--socket", filepath.Join(dir, "none.sock"), "--config", bad}, exitAbsent, "no guardian answers"},
		{[]string{"guard", "status"}, exitInput, "--socket PATH is missing"},
	} {
		if code, _, errs := runVerb(t, c.args...); code != c.code || !strings.Contains(errs, c.text) {
			t.Errorf("%v: %d, %q; want %d, %q", c.args, code, errs, c.code, c.text)
		}
	}
}

// TestLastGood: a file that is broken at start has the last good copy in its place, with the paths that the broken file would have had.
func TestLastGood(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "site.toml")
	kept := guard.LastGood(filepath.Join(dir, "st"))
	if err := os.MkdirAll(filepath.Dir(kept), 0o700); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(checkSite, "[site]\n", "[site]\nstate_dir = \"st\"\n", 1)
	for name, text := range map[string]string{path: text + "[[nonsense", kept: text} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := lastGood(path)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.SocketPath() != filepath.Join(dir, "guard.sock") || cfg.StateDir() != filepath.Join(dir, "st") || cfg.Sensor("door") == nil {
		t.Errorf("socket %s, state %s", cfg.SocketPath(), cfg.StateDir())
	}
}
