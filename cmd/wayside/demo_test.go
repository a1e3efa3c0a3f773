package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wayside/agent/demo"
)

// processesNaming counts the processes whose command line or working folder names dir.
func processesNaming(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		cmdline, _ := os.ReadFile(filepath.Join(p, "cmdline")) // one that ended meanwhile is none
		cwd, _ := os.Readlink(filepath.Join(p, "cwd"))
		if bytes.Contains(cmdline, []byte(dir)) || strings.HasPrefix(cwd, dir) {
			names = append(names, string(bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '})))
		}
	}
	return names
}

// The whole chain with the real binary: devices, worker, guardian, four drops, and nothing left at the end.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 10 s")
	}
	keep := filepath.Join(t.TempDir(), "run")
	cmd := exec.Command(binary(t, ""), "demo", "--duration", "10s", "--json", "--keep", keep)
	var out, told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &told
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, told.String())
	}
	var s demo.Summary
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatalf("stdout is no JSON value: %v\n%s", err, out.String())
	}
	for _, c := range []struct {
		what string
		ok   bool
	}{
		{"polls", s.Polls > 200},
		{"polls missed (more than one in fifty is not the machine's load)", s.PollsMissed*50 < s.Polls},
		{"inferences", s.Inferences > 100},
		{"requests", s.Requests > 10},
		{"actuations: both incidents switch the sign on and off", s.Actuations == 4},
		{"swaps", s.Swaps == 1},
		{"swaps refused", s.SwapsRefused == 3},
		{"illegal transitions", s.IllegalTransitions == 0},
		{"latency", s.LatencyP50MS > 0 && s.LatencyP99MS >= s.LatencyP50MS},
		{"labelled incidents found", s.Incidents.Labelled == 2 && s.Incidents.Found == 2},
		{"plain threshold", s.Threshold.Found == 2},
		{"forecasts of both releases were compared", len(s.NextSpeed) == 2 && s.NextSpeed[0].Values > 5 && s.NextSpeed[1].Values > 5},
		{"forecast of the next hour", s.NextHour.Values > 100 && s.NextHour.Model < s.NextHour.Naive},
		{"worker's private memory", s.Worker.RSSAnonKiB > 0 && s.Worker.RSSAnonKiB <= 20<<10},
		{"guardian's private memory", s.Guardian.RSSAnonKiB > 0 && s.Guardian.RSSAnonKiB <= 4<<10},
	} {
		if !c.ok {
			t.Errorf("%s: not as it must be in\n%s", c.what, out.String())
		}
	}
	reasons := map[string]string{}
	for _, r := range s.Releases {
		reasons[r.Folder] = r.State + ": " + r.Reason
	}
	for folder, want := range map[string]string{
		"incident-2.0.0": "confirmed: ", "incident-3.0.0": "refused: load: model.tflite", "incident-3.0.1": "refused: incomplete", "incident-4.0.0": "refused: constant output",
	} {
		if !strings.HasPrefix(reasons[folder], want) {
			t.Errorf("%s: %q, want %q", folder, reasons[folder], want)
		}
	}
	for _, want := range []string{"Status page: http://127.0.0.1:", "SIGN ON", "SIGN OFF", "incident 2.0.0 TAKEN", "incident 3.0.0 REFUSED: load", "incident 4.0.0 REFUSED: constant"} {
		if !strings.Contains(told.String(), want) {
			t.Errorf("the screen does not say %q:\n%s", want, told.String())
		}
	}
	if bytes.Contains(told.Bytes(), []byte("\x1b[")) {
		t.Error("colours without a terminal")
	}
	if left := processesNaming(t, keep); len(left) > 0 {
		t.Errorf("still running: %q", left)
	}
	if _, err := os.Stat(filepath.Join(keep, "site.toml")); err != nil {
		t.Errorf("--keep kept nothing: %v", err)
	}
}

// Ctrl-C ends the demo in order: a summary of what there was, every process ended, the temporary folder gone.
func TestDemoInterrupted(t *testing.T) {
	tmp := t.TempDir()
	cmd := exec.Command(binary(t, ""), "demo", "--json")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	var out bytes.Buffer
	told := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = &out, told
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if strings.Contains(told.tail(1000), "no decision") {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if len(processesNaming(t, tmp)) < 4 {
		t.Errorf("fewer than four processes run: %q", processesNaming(t, tmp))
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, told.tail(2000))
	}
	var s demo.Summary
	if err := json.Unmarshal(out.Bytes(), &s); err != nil || s.Polls == 0 || s.Seconds > 30 {
		t.Errorf("summary: %v\n%s", err, out.String())
	}
	if left := processesNaming(t, tmp); len(left) > 0 {
		t.Errorf("still running: %q", left)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
