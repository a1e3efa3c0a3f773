package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wayside/hal/sim/gpiochip"
)

// simulate runs one command line in this process until ctx ends and returns stdout and the exit code.
func simulate(ctx context.Context, args ...string) (string, string, int) {
	root, started := newRootCmd()
	var out, errs bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errs)
	args = append([]string{"simulate"}, args...)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return out.String(), "", exitDone
	}
	if !*started {
		err = usageError(cmd, err)
	}
	code := report(cmd, args, err)
	return out.String(), errs.String(), code
}

// background starts a simulator and waits for its ready file, whose content it returns. The function ends it and gives its output.
func background(t *testing.T, dir string, args ...string) (ready string, stop func() (string, int)) {
	t.Helper()
	file := filepath.Join(dir, "ready")
	ctx, cancel := context.WithCancel(context.Background())
	type result struct {
		out, errs string
		code      int
	}
	done := make(chan result, 1)
	go func() {
		out, errs, code := simulate(ctx, append(args, "--ready-file", file)...)
		done <- result{out, errs, code}
	}()
	t.Cleanup(cancel)
	for range 1000 {
		if b, err := os.ReadFile(file); err == nil {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(string(b)), func() (string, int) {
				cancel()
				r := <-done
				return r.out + r.errs, r.code
			}
		}
		select {
		case r := <-done:
			t.Fatalf("ended at once: code %d, %s%s", r.code, r.out, r.errs)
		case <-time.After(5 * time.Millisecond):
		}
	}
	t.Fatal("never ready")
	return "", nil
}

func TestSimulateGPIO(t *testing.T) {
	dir, err := os.MkdirTemp("", "sim") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ctx := context.Background()
	sock, record := filepath.Join(dir, "s"), filepath.Join(dir, "r")
	ready, stop := background(t, dir, "gpio", "--socket", sock, "--record", record, "--lines", "2", "--line-names", "sign,door", "--on-release", "revert", "--pull", "up", "--json")
	if ready != sock {
		t.Errorf("ready file says %q", ready)
	}
	if out, errs, code := simulate(ctx, "drive", sock, "1", "0"); code != exitDone || out+errs != "" {
		t.Errorf("drive: %d %s%s", code, out, errs)
	}
	var lines []gpiochip.Line
	out, _, code := simulate(ctx, "lines", sock, "--json")
	if err := json.Unmarshal([]byte(out), &lines); err != nil || code != exitDone || len(lines) != 2 || lines[0].Level != 1 || lines[1].Level != 0 || lines[1].Name != "door" {
		t.Errorf("lines: %d %s %v", code, out, err)
	}
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"gpio", "--socket", sock, "--record", record}, exitAbsent, "another process answers"},
		{[]string{"gpio", "--socket", sock}, exitInput, "--record"},
		{[]string{"gpio", "--socket", sock + "2", "--record", filepath.Join(dir, "no", "r")}, exitInput, "open record"},
		{[]string{"gpio", "--socket", sock + "2", "--record", record, "--lines", "65"}, exitInput, "1 to 64"},
		{[]string{"gpio", "--socket", sock + "2", "--record", record, "--on-release", "drop"}, exitInput, `"keep" or "revert"`},
		{[]string{"gpio", "--socket", sock + "2", "--record", record, "--pull", "sideways"}, exitInput, "up or down"},
		{[]string{"drive", sock, "2", "1"}, exitInput, "0 to 1"},
		{[]string{"drive", sock, "1", "high"}, exitInput, "0 or 1"},
		{[]string{"drive", sock, "one", "1"}, exitInput, "no number"},
		{[]string{"drive", sock}, exitInput, "--help"},
		{[]string{"lines", sock + "3"}, exitAbsent, "wayside simulate gpio"},
	} {
		if out, errs, code := simulate(ctx, tc.args...); code != tc.code || !strings.Contains(errs, tc.want) {
			t.Errorf("%v: %d %s%s, want %d and %q", tc.args, code, out, errs, tc.code, tc.want)
		}
	}
	out, code = stop()
	var started struct {
		Socket string
		Lines  int
		PID    int
	}
	if err := json.Unmarshal([]byte(out), &started); err != nil || code != exitDone || started.Lines != 2 || started.PID != os.Getpid() {
		t.Errorf("at the end: %d %s %v", code, out, err)
	}
	ev, err := gpiochip.ReadRecord(record)
	if err != nil || len(ev) != 3 || ev[1].Cause != gpiochip.CauseDrive || ev[2].Event != gpiochip.EventStop {
		t.Errorf("record %+v, %v", ev, err)
	}
	if _, err := os.Stat(sock); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestSimulateModbus(t *testing.T) {
	dir, err := os.MkdirTemp("", "sim") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ctx := context.Background()
	table, ctl := filepath.Join(dir, "x.csv"), filepath.Join(dir, "c")
	if err := os.WriteFile(table, []byte("t,speed\n0,50.2\n1,-3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ready, stop := background(t, dir, "modbus", "--table", table, "--map", "speed=4,int16,0.1", "--control", ctl, "--loop")
	if !strings.HasPrefix(ready, "127.0.0.1:") || strings.HasSuffix(ready, ":0") {
		t.Errorf("ready file says %q", ready)
	}
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"control", ctl, "slow", "300"}, exitDone, ""},
		{[]string{"control", ctl, "ok"}, exitDone, ""},
		{[]string{"control", ctl, "burn"}, exitInput, "silent"},
		{[]string{"control", ctl + "2", "ok"}, exitAbsent, "wayside simulate modbus"},
		{[]string{"modbus"}, exitInput, "--table"},
		{[]string{"modbus", "--table", table + "2"}, exitInput, "x.csv2"},
		{[]string{"modbus", "--table", table, "--listen", "localhost:0"}, exitInput, "number address"},
		{[]string{"modbus", "--table", table, "--map", "speed=0,uint16"}, exitInput, "x.csv:3"},
		{[]string{"modbus", "--table", table, "--map", "flow=0"}, exitInput, "t, speed"},
		{[]string{"modbus", "--table", table, "--step", "0s"}, exitInput, "step"},
	} {
		if out, errs, code := simulate(ctx, tc.args...); code != tc.code || !strings.Contains(errs, tc.want) {
			t.Errorf("%v: %d %s%s, want %d and %q", tc.args, code, out, errs, tc.code, tc.want)
		}
	}
	out, code := stop()
	if code != exitDone || !strings.Contains(out, ready) || !strings.Contains(out, "speed: int16 at 4, scale 0.1") {
		t.Errorf("at the end: %d %s", code, out)
	}
}
