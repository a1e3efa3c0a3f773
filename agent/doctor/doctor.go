package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"wayside/agent/config"
	"wayside/agent/guard"
	"wayside/agent/journal"
	"wayside/graph/load"
	"wayside/hal"
)

// Level is how bad a finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // it works, but somebody should know
	Red     Level = "red"     // it does not work
)

// Cause tells apart what a red finding is about, and so the exit code.
type Cause string

// The causes.
const (
	Input    Cause = "input"    // configuration, model or file: exit code 2
	Hardware Cause = "hardware" // a device or a network peer: exit code 3
	Machine  Cause = "machine"  // memory, disk, permissions: exit code 1
)

// Finding is one line of the report.
type Finding struct {
	Check  string `json:"check"` // what was looked at: "clock", "sensor speed"
	Level  Level  `json:"level"`
	Detail string `json:"detail"`           // what was found
	Remedy string `json:"remedy,omitempty"` // what to do; empty when all is well
	Cause  Cause  `json:"cause,omitempty"`  // of a red finding
}

// Host is the machine as doctor sees it; tests give one of their own.
type Host struct {
	Proc     fs.FS // /proc
	Cgroup   fs.FS // the folder of this process's own control group (version 2); nil if there is none
	Clock    hal.Clock
	UID      int
	FreeDisk func(path string) (uint64, error) // bytes an ordinary user can still write where path is
}

// ThisHost is the machine the program runs on.
func ThisHost() Host {
	h := Host{Proc: os.DirFS("/proc"), Clock: hal.RealClock(), UID: os.Geteuid(), FreeDisk: freeDisk}
	if b, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		for line := range strings.Lines(string(b)) {
			if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
				h.Cgroup = os.DirFS(filepath.Join("/sys/fs/cgroup", path))
			}
		}
	}
	return h
}

func freeDisk(path string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}

const (
	// processBytes is what worker and guardian need beside models and arenas: their limits of private memory, 20 and 4 MB.
	processBytes = 24 << 20
	// spareDisk stays free beside the journals, so that an update of the system still fits.
	spareDisk = 64 << 20
	// plausibleYear: an earlier wall clock has never been set. Local function does not need it.
	plausibleYear = 2025
	// peerTimeout bounds each question to a device or process.
	peerTimeout = 2 * time.Second
)

// Examine looks at the host and, if path is not empty, at the configuration there and everything it names. The findings come in the order
// in which a person would mend them. ctx ends it early.
func Examine(ctx context.Context, h Host, path string) []Finding {
	e := &exam{host: h}
	e.clock()
	e.user()
	if path == "" {
		e.memory(0)
		return e.found
	}
	c, err := config.Load(path)
	if err != nil {
		e.configuration(path, err)
		return e.found
	}
	e.ok("configuration", fmt.Sprintf("%s: %d sensors, %d models, %d tasks, %d outputs", path, len(c.Sensors), len(c.Models), len(c.Tasks), len(c.Outputs)))
	e.memory(e.models(c))
	e.disk(c)
	e.journals(c)
	e.releases(c)
	worker := e.guardian(ctx, c)
	e.page(c, worker)
	e.sensors(ctx, c, worker)
	e.outputs(ctx, c)
	return e.found
}

type exam struct {
	host  Host
	found []Finding
}

func (e *exam) ok(check, detail string) {
	e.found = append(e.found, Finding{Check: check, Level: OK, Detail: detail})
}

func (e *exam) warn(check, detail, remedy string) {
	e.found = append(e.found, Finding{Check: check, Level: Warning, Detail: detail, Remedy: remedy})
}

func (e *exam) red(cause Cause, check, detail, remedy string) {
	e.found = append(e.found, Finding{Check: check, Level: Red, Detail: detail, Remedy: remedy, Cause: cause})
}

func (e *exam) clock() {
	now := e.host.Clock.Now()
	if now.Year() < plausibleYear {
		e.warn("clock", "the wall clock says "+now.UTC().Format(time.DateOnly)+", it was never set", "set up NTP or an RTC; local function does not need it, the times in records do")
		return
	}
	e.ok("clock", now.UTC().Format(time.RFC3339))
}

func (e *exam) user() {
	if e.host.UID == 0 {
		e.warn("user", "running as root", "run the worker as the user of the unit file; only the installation needs root")
		return
	}
	e.ok("user", "uid "+strconv.Itoa(e.host.UID))
}

// memory compares what the models need with what is left, by the kernel's word and by the control group's.
func (e *exam) memory(models int64) {
	free, err := memAvailable(e.host.Proc)
	if err != nil {
		e.warn("memory", err.Error(), "mount /proc")
		return
	}
	limit := "of the machine"
	if e.host.Cgroup != nil {
		if l, err := cgroupLeft(e.host.Cgroup); err == nil && l < free {
			free, limit = l, "under the control group's limit"
		}
	}
	need := models + processBytes
	text := fmt.Sprintf("%d MB needed (models %d MB), %d MB free %s", need>>20, models>>20, free>>20, limit)
	if need > free {
		e.red(Machine, "memory", text, "use smaller models, or raise MemoryMax of the unit")
		return
	}
	e.ok("memory", text)
}

func memAvailable(proc fs.FS) (int64, error) {
	b, err := fs.ReadFile(proc, "meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			f := strings.Fields(rest)
			if len(f) > 0 {
				if kib, err := strconv.ParseInt(f[0], 10, 64); err == nil {
					return kib << 10, nil
				}
			}
		}
	}
	return 0, errors.New("/proc/meminfo has no MemAvailable")
}

// cgroupLeft is what the group may still take. "max" is no limit.
func cgroupLeft(group fs.FS) (int64, error) {
	number := func(name string) (int64, error) {
		b, err := fs.ReadFile(group, name)
		if err != nil {
			return 0, err
		}
		s := strings.TrimSpace(string(b))
		if s == "max" {
			return math.MaxInt64, nil
		}
		return strconv.ParseInt(s, 10, 64)
	}
	limit, err := number("memory.max")
	if err != nil || limit == math.MaxInt64 {
		return limit, err
	}
	used, err := number("memory.current")
	return limit - used, err
}

func (e *exam) configuration(path string, err error) {
	const check = "configuration"
	var all *config.Error
	if !errors.As(err, &all) {
		e.red(Input, check, err.Error(), "give the path of a site's file, see `wayside check --help`")
		return
	}
	for _, p := range all.Problems {
		remedy := p.Remedy
		p.Remedy = ""
		if remedy == "" {
			remedy = "correct this line of " + path
		}
		e.red(Input, check, p.String(), remedy)
	}
}

// models loads every model as the worker would, and returns the bytes that they will take.
func (e *exam) models(c *config.Config) (bytes int64) {
	for _, m := range c.Models {
		check := "model " + m.Name
		plan, err := load.File(c.Path(m.File), load.Options{})
		if err != nil {
			e.red(Input, check, err.Error(), "see `wayside inspect "+c.Path(m.File)+"`; convert the model again or name another file")
			continue
		}
		need := int64(plan.ArenaBytes() + plan.WeightBytes())
		bytes += 2 * need // a swap holds the old and the new
		e.ok(check, fmt.Sprintf("%s, %d steps, %d KiB", plan.Format(), len(plan.Steps()), need>>10))
	}
	return bytes
}

// existing is path, or the nearest folder above it that exists: a state folder is made at the first start.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

func (e *exam) disk(c *config.Config) {
	dir := existing(c.StateDir())
	if unix.Access(dir, unix.W_OK|unix.X_OK) != nil {
		e.red(Machine, "state_dir", "cannot write to "+dir, "give the folder to the user that runs the worker: chown USER "+dir)
		return
	}
	free, err := e.host.FreeDisk(dir)
	if err != nil {
		e.red(Machine, "state_dir", fmt.Sprintf("ask for free space of %s: %v", dir, err), "mount the file system, or set site.state_dir to another")
		return
	}
	need := uint64(c.Agent.JournalSize) + uint64(c.Guard.RecordSize) + spareDisk
	text := fmt.Sprintf("%s: %d MB free, %d MB needed", dir, free>>20, need>>20)
	if free < need {
		e.red(Machine, "state_dir", text, "free some space, or lower agent.journal_size")
		return
	}
	e.ok("state_dir", text)
}

func (e *exam) journals(c *config.Config) {
	for _, j := range []struct{ check, dir string }{{"journal", "journal"}, {"actuation record", "guard"}} {
		dir := filepath.Join(c.StateDir(), j.dir)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			e.ok(j.check, "none yet")
			continue
		}
		n := 0
		damage, err := journal.Read(dir, func(journal.Record) error { n++; return nil })
		switch {
		case err != nil:
			e.red(Machine, j.check, err.Error(), "check the owner and the file system of "+dir)
		case len(damage) > 0:
			e.warn(j.check, fmt.Sprintf("%d records, %d damaged places, the first: %s", n, len(damage), damage[0]), "a power cut leaves one at the end; more point at the storage")
		default:
			e.ok(j.check, strconv.Itoa(n)+" records")
		}
	}
}

func (e *exam) releases(c *config.Config) {
	if c.Agent.ReleaseDir == "" {
		return
	}
	dir := c.Path(c.Agent.ReleaseDir)
	if _, err := os.ReadDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		e.red(Machine, "release_dir", err.Error(), "make it a folder that the worker may read")
		return
	}
	if c.Agent.AllowUnsigned {
		e.warn("release_dir", dir+" takes models without a signature (agent.allow_unsigned)", "fine for a trial; let only trusted users write there")
		return
	}
	e.ok("release_dir", dir)
}

// guardian asks the guardian for its status and returns whether a worker is attached to it.
func (e *exam) guardian(ctx context.Context, c *config.Config) (worker bool) {
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	g, err := guard.Dial(ctx, c.SocketPath())
	if err != nil {
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
			e.ok("guardian", "not running; `wayside run` starts it")
			return false
		}
		e.red(Machine, "guardian", err.Error(), "end the program that holds "+c.SocketPath()+", or give this user access to it")
		return false
	}
	defer g.Close() // nothing was asked of it that could be lost
	st, err := g.Status(ctx)
	switch {
	case err != nil:
		e.red(Machine, "guardian", err.Error(), "restart it: systemctl restart wayside-guard")
	case st.Mode == "degraded":
		e.red(Input, "guardian", "holds everything safe: "+st.Reason, "mend the file, then `wayside guard reload`")
	default:
		e.ok("guardian", fmt.Sprintf("pid %d, %s, %s", st.PID, st.Mode, st.Config))
	}
	for _, o := range st.Outputs {
		if o.Fault != "" {
			e.red(Hardware, "output "+o.Name, o.Fault, "check the device that the output names")
		}
	}
	return st.WorkerPID != 0
}

func (e *exam) page(c *config.Config, worker bool) {
	if c.Agent.Listen == "" || worker {
		return
	}
	l, err := net.Listen("tcp", c.Agent.Listen)
	if err != nil {
		e.red(Machine, "status page", err.Error(), "end the program that uses "+c.Agent.Listen+", or choose another agent.listen")
		return
	}
	_ = l.Close() // it was only tried
	e.ok("status page", c.Agent.Listen+" is free")
}

// sensors opens and reads each sensor once, unless a worker does so already.
func (e *exam) sensors(ctx context.Context, c *config.Config, worker bool) {
	if worker {
		e.ok("sensors", "left to the running worker; its status page has their qualities")
		return
	}
	env := c.Env(e.host.Clock)
	buses := map[string]hal.Bus{}
	failed := map[string]bool{}
	for _, b := range c.Buses {
		ctx, cancel := context.WithTimeout(ctx, peerTimeout)
		bus, err := b.Def.Open(ctx, b.Name, b.Settings, env)
		cancel()
		if err != nil {
			e.device("bus "+b.Name, err)
			failed[b.Name] = true
			continue
		}
		buses[b.Name] = bus
	}
	for _, s := range c.Sensors {
		if failed[s.Bus] {
			continue // the bus's own line says it
		}
		e.sensor(ctx, s, buses[s.Bus], env)
	}
	for _, b := range buses {
		if err := b.Close(); err != nil {
			e.warn("bus "+b.String(), err.Error(), "look at the kernel's log")
		}
	}
}

func (e *exam) sensor(ctx context.Context, s config.Sensor, bus hal.Bus, env hal.Env) {
	check := "sensor " + s.Name
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	dev, err := s.Def.Open(ctx, s.Settings, bus, env)
	if err != nil {
		e.device(check, err)
		return
	}
	v, err := dev.Read(ctx)
	if err := errors.Join(err, dev.Close()); err != nil {
		e.device(check, err)
		return
	}
	v = s.Checker().Apply(v)
	if v.Quality != hal.Good {
		e.warn(check, fmt.Sprintf("%g, quality %s: %s", v.Value, v.Quality, v.Reason), "compare with the device's own display; check wiring, scale and byte order")
		return
	}
	e.ok(check, strconv.FormatFloat(v.Value, 'g', 6, 64))
}

// device is a red line about hardware, with the remedy that fits the kind of error.
func (e *exam) device(check string, err error) {
	cause, remedy := Hardware, "check power, wiring and address"
	switch {
	case errors.Is(err, hal.ErrInput):
		cause, remedy = Input, "correct the configuration or the file it names"
	case errors.Is(err, hal.ErrBusy):
		remedy = "end the other program that owns it"
	case errors.Is(err, hal.ErrTimeout):
		remedy = "check the device's speed and unit id, and that no second master asks it"
	case errors.Is(err, fs.ErrPermission):
		cause, remedy = Machine, "add this user to the device's group (i2c, dialout, gpio) and log in again"
	}
	e.red(cause, check, err.Error(), remedy)
}

// outputs looks at each line without requesting it.
func (e *exam) outputs(ctx context.Context, c *config.Config) {
	env := c.Env(e.host.Clock)
	for _, o := range c.Outputs {
		if o.Def.Peek == nil {
			e.ok("output "+o.Name, "cannot be looked at without claiming it")
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, peerTimeout)
		v, err := o.Def.Peek(ctx, o.Settings, env)
		cancel()
		if err != nil {
			e.device("output "+o.Name, err)
			continue
		}
		e.ok("output "+o.Name, fmt.Sprintf("reads %g; safe is %s", v, o.Safe))
	}
}
