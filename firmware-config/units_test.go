package firmwareconfig_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	firmwareconfig "wayside/firmware-config"
)

func unit(t *testing.T, name string) string {
	t.Helper()
	b, err := firmwareconfig.FS.ReadFile("systemd/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestUnitsVerify lets systemd itself check the units. The binary's path is replaced by one that exists on every machine.
func TestUnitsVerify(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("skipped: systemd-analyze is not installed")
	}
	dir := t.TempDir()
	args := []string{"verify"}
	for _, name := range []string{"wayside.service", "wayside-guard.service"} {
		text := unit(t, name)
		if !strings.Contains(text, "ExecStart=/usr/bin/wayside ") {
			t.Errorf("%s does not start /usr/bin/wayside", name)
		}
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(strings.ReplaceAll(text, "/usr/bin/wayside ", "/bin/sh ")), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, p)
	}
	// verify exits 0 for unknown keys: what it prints about our files counts too.
	out, err := exec.Command(analyze, args...).CombinedOutput()
	if err != nil || strings.Contains(string(out), "wayside") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestUnitsKeepOutputsOwned holds the lines that the outputs' safety rests on.
func TestUnitsKeepOutputsOwned(t *testing.T) {
	for name, want := range map[string][]string{
		"wayside-guard.service": {"Type=notify", "WatchdogSec=1", "Restart=always", "RestartSec=100ms", "StartLimitIntervalSec=0", "OOMScoreAdjust=-1000", "DefaultDependencies=no",
			"Conflicts=shutdown.target", "Before=shutdown.target", "NoNewPrivileges=yes", "CapabilityBoundingSet="},
		"wayside.service": {"Type=notify", "Restart=always", "StartLimitIntervalSec=0", "Wants=wayside-guard.service", "NoNewPrivileges=yes", "CapabilityBoundingSet="},
	} {
		lines := "\n" + unit(t, name)
		for _, w := range want {
			if !strings.Contains(lines, "\n"+w) {
				t.Errorf("%s has no %s", name, w)
			}
		}
		for _, bad := range []string{"Requires=wayside", "BindsTo=wayside", "PartOf=wayside", "ProtectClock=yes", "ProcSubset=pid"} {
			if strings.Contains(lines, "\n"+bad) {
				t.Errorf("%s has %s", name, bad)
			}
		}
	}
}
