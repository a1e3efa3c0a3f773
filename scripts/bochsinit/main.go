// Command bochsinit is the only process of the machine that scripts/test-avx512.sh boots: it runs the test binaries /tests/*/test one after
// the other, with the arguments in /args, and ends the machine.
//
// Each test runs in its own directory and writes to the console. What the script reads around its output is a line "@@ begin NAME" before
// and "@@ end NAME CODE" after, and "@@ done" at the end of all.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "bochsinit: runs as the first process of an emulated machine only")
		os.Exit(2)
	}
	if err := runTests(); err != nil {
		fmt.Println("bochsinit:", err)
	} else {
		fmt.Println("@@ done")
	}
	_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, 1, 0x5409, 1) // TCSBRK as tcdrain: what was written leaves before the machine ends
	// reboot returns on failure only; the kernel then panics because its first process ends, which restarts the machine too.
	fmt.Println("bochsinit: reboot:", syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART))
}

func runTests() error {
	for _, fs := range []string{"proc", "devtmpfs"} {
		at := map[string]string{"proc": "/proc", "devtmpfs": "/dev"}[fs]
		if err := syscall.Mount(fs, at, fs, 0, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", at, err)
		}
	}
	args, err := os.ReadFile("/args")
	if err != nil {
		return err
	}
	tests, err := filepath.Glob("/tests/*/test")
	if err != nil {
		return err
	}
	for _, path := range tests {
		dir := filepath.Dir(path)
		fmt.Printf("\n@@ begin %s\n", filepath.Base(dir))
		cmd := exec.Command(path, strings.Fields(string(args))...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stdout
		cmd.Env = []string{"WAYSIDE_REQUIRE_ISA=avx512vnni", "TMPDIR=/tmp"}
		_ = cmd.Run() // the exit code says it
		fmt.Printf("\n@@ end %s %d\n", filepath.Base(dir), cmd.ProcessState.ExitCode())
	}
	return nil
}
