package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"wayside/hal"
)

// process is one verb of the binary running beside the demo.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // file with what it says
	done chan struct{} // closed when it has ended
	err  error         // how; valid after done
}

// start runs the binary with args in dir, in a session of its own: Ctrl-C at the demo's terminal reaches only the demo, which then ends the
// others in order. What the process says goes to NAME.log.
func start(binary, dir, name string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("demo: start %s: %w", name, err)
	}
	defer func() { _ = out.Close() }() // the process has its own copy
	p.cmd = exec.Command(binary, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("demo: start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// died is the error for a process that ended by itself, with the last it said.
func (p *process) died() error {
	return fmt.Errorf("demo: %s ended: %w: %s", p.name, errors.Join(p.err), p.tail())
}

// tail is the last lines of the log, in one line.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " | ")
}

// stop asks the process to end and kills it if it has not after patience. It reports how it ended.
func (p *process) stop(patience time.Duration) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // one that has ended already is what we want
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-p.done:
		return p.err
	case <-t.C:
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("demo: %s did not end within %s and was killed: %s", p.name, patience, p.tail())
	}
}

// waitFile waits until a file is there and returns what it holds, without white space around it. The file appears whole.
func waitFile(ctx context.Context, clock hal.Clock, p *process, path string, patience time.Duration) (string, error) {
	for end := clock.Boot() + patience; ; {
		b, err := os.ReadFile(path)
		if err == nil && len(b) > 0 {
			return strings.TrimSpace(string(b)), nil
		}
		select {
		case <-p.done:
			return "", p.died()
		default:
		}
		if clock.Boot() > end {
			return "", fmt.Errorf("demo: %s was not ready within %s: %s", p.name, patience, p.tail())
		}
		if err := hal.Sleep(ctx, clock, 10*time.Millisecond); err != nil {
			return "", err
		}
	}
}

// Memory is what a process occupies. RssAnon is its own, private memory.
type Memory struct {
	RSSAnonKiB int64 `json:"rss_anon_kib"`
	RSSKiB     int64 `json:"rss_kib"`
	PSSKiB     int64 `json:"pss_kib"`
}

// readMemory reads it from /proc. What the kernel does not tell stays 0.
func readMemory(pid int) Memory {
	var m Memory
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	kib(filepath.Join(dir, "status"), map[string]*int64{"RssAnon": &m.RSSAnonKiB, "VmRSS": &m.RSSKiB})
	kib(filepath.Join(dir, "smaps_rollup"), map[string]*int64{"Pss": &m.PSSKiB})
	return m
}

func kib(path string, want map[string]*int64) {
	b, err := os.ReadFile(path)
	if err != nil {
		return
	}
	s := bufio.NewScanner(bytes.NewReader(b))
	for s.Scan() {
		key, rest, _ := strings.Cut(s.Text(), ":")
		if dst := want[key]; dst != nil {
			if f := strings.Fields(rest); len(f) > 0 {
				*dst, _ = strconv.ParseInt(f[0], 10, 64)
			}
		}
	}
}

// endLeftOver ends a process that is not our child, such as a guardian whose worker could not take it along. A process whose command line does not
// name dir is another one that got the same number.
func endLeftOver(clock hal.Clock, pid int, dir string) {
	ours := func() bool {
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		return err == nil && bytes.Contains(b, []byte(dir))
	}
	if pid <= 1 || !ours() {
		return
	}
	_ = syscall.Kill(pid, syscall.SIGTERM) // one that has just ended is what we want
	for range 100 {
		if !ours() {
			return
		}
		_ = hal.Sleep(context.Background(), clock, 20*time.Millisecond) // a background context never ends
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}
