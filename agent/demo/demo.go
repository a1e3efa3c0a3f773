package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"time"

	"wayside/agent/config"
	"wayside/agent/release"
	"wayside/hal"
	"wayside/hal/sim/gpiochip"
)

// Names in firmware-config/demo/demo.toml that the demo speaks of.
const (
	taskIncident = "incident"
	taskNext     = "next-speed"
	taskHour     = "next-hour"
	outputSign   = "sign"
	signLine     = 3
)

// DefaultDuration plays exactly the held-out part of the data.
const DefaultDuration = 55 * time.Second

// MinDuration is the shortest demo in which every drop still gets its answer.
const MinDuration = 8 * time.Second

// rowTime is how long one row of five minutes takes.
const rowTime = 100 * time.Millisecond

// drops are the releases in the order they come, each at a fraction of the duration.
var drops = []struct {
	folder string
	at     float64
}{
	{"incident-2.0.0", 0.50}, // better
	{"incident-3.0.0", 0.60}, // damaged before its hash was taken
	{"incident-3.0.1", 0.60}, // damaged after that
	{"incident-4.0.0", 0.70}, // behaves badly
}

// Options of Run.
type Options struct {
	Assets   fs.FS         // firmware-config/demo
	Binary   string        // this program: the processes are its verbs
	Duration time.Duration // of the replay; start and end come on top; at least MinDuration
	Port     int           // of the status page on loopback; 0 takes a free one
	Keep     string        // folder to work in and to leave behind, new or empty; "" is a temporary one
	Out      io.Writer     // what happens, for people
	Color    bool
	Clock    hal.Clock // default: the machine's
}

// InputError is a fault in the options.
type InputError struct{ Err error }

// Error is the fault.
func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap gives the fault.
func (e *InputError) Unwrap() error { return e.Err }

// Run plays the demo until its duration or ctx ends, stops every process it started, and says what it showed. When ctx ends early the
// summary is of what there was until then. Transitions outside the rules are in the summary, not an error.
func Run(ctx context.Context, o Options) (sum *Summary, err error) {
	if o.Clock == nil {
		o.Clock = hal.RealClock()
	}
	if o.Duration < MinDuration {
		return nil, &InputError{fmt.Errorf("demo: duration %s is too short to show anything: give at least %s", o.Duration, MinDuration)}
	}
	if o.Port < 0 || o.Port > 65535 {
		return nil, &InputError{fmt.Errorf("demo: port %d: give 0 to 65535", o.Port)}
	}
	dir, remove, err := workDir(o.Keep)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	s := &stage{o: o, dir: dir, clock: o.Clock}
	defer s.strike()
	if err := s.build(); err != nil {
		return nil, err
	}
	if err := s.raise(ctx); err != nil {
		return nil, err
	}
	if err := s.play(ctx); err != nil {
		return nil, err
	}
	return s.close(context.WithoutCancel(ctx))
}

// workDir is the folder that everything happens in. Sockets lie in it, so its path must be short.
func workDir(keep string) (dir string, remove func() error, err error) {
	if keep == "" {
		if dir, err = os.MkdirTemp("", "wayside-demo-"); err != nil {
			return "", nil, fmt.Errorf("demo: %w", err)
		}
		return dir, func() error { return os.RemoveAll(dir) }, nil
	}
	if dir, err = filepath.Abs(keep); err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return "", nil, &InputError{fmt.Errorf("demo: keep: %w", err)}
	}
	old, err := os.ReadDir(dir)
	if err != nil {
		return "", nil, &InputError{fmt.Errorf("demo: keep: %w", err)}
	}
	if len(old) > 0 {
		return "", nil, &InputError{fmt.Errorf("demo: keep: %s is not empty: name a new folder", dir)}
	}
	return dir, func() error { return nil }, nil
}

// stage is one demo under way.
type stage struct {
	o     Options
	dir   string
	clock hal.Clock

	replay *replay
	cfg    *config.Config
	chip   *process
	loops  *process
	worker *process
	page   string
	time   timeline
	hist   *history
	tell   *narrator
	placed map[string]bool // drops that were made

	seconds      float64
	workerMemory Memory
	guardMemory  Memory
}

// speed is replayed time over real time.
const speed = float64(slotTime) / float64(rowTime)

// build unpacks the assets and writes the table.
func (s *stage) build() error {
	rows := int(s.o.Duration / rowTime)
	const margin = 100 // more than the processes need to start and to end
	var err error
	if s.replay, err = newReplay(s.o.Assets, rows+margin, rows/2); err != nil {
		return err
	}
	if err := unpack(s.o.Assets, "models", filepath.Join(s.dir, "models")); err != nil {
		return err
	}
	if err := unpack(s.o.Assets, "releases", filepath.Join(s.dir, "drops")); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(s.dir, "releases"), 0o755); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return s.write("replay.csv", s.replay.table())
}

func (s *stage) write(name string, data []byte) error {
	if err := os.WriteFile(filepath.Join(s.dir, name), data, 0o644); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// unpack copies a folder of the assets.
func unpack(assets fs.FS, from, to string) error {
	err := fs.WalkDir(assets, from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(filepath.FromSlash(from), filepath.FromSlash(name))
		if err != nil {
			return err
		}
		dst := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(dst, 0o755)
		}
		b, err := fs.ReadFile(assets, name)
		if err != nil {
			return err
		}
		return os.WriteFile(dst, b, 0o644)
	})
	if err != nil {
		return fmt.Errorf("demo: unpack %s: %w", path.Clean(from), err)
	}
	return nil
}

// patience is how long a process may take to be ready or to end.
const patience = 15 * time.Second

// raise starts the devices, writes the configuration with their addresses, and starts the worker, which starts the guardian.
func (s *stage) raise(ctx context.Context) (err error) {
	if s.chip, err = start(s.o.Binary, s.dir, "gpio", "simulate", "gpio", "--socket", "gpio.sock", "--record", "lines.jsonl", "--lines", "4",
		"--line-names", "door,,,"+outputSign, "--on-release", "keep", "--ready-file", "gpio.ready"); err != nil {
		return err
	}
	if _, err = waitFile(ctx, s.clock, s.chip, filepath.Join(s.dir, "gpio.ready"), patience); err != nil {
		return err
	}
	if s.loops, err = start(s.o.Binary, s.dir, "modbus", "simulate", "modbus", "--listen", "127.0.0.1:0", "--table", "replay.csv", "--step", rowTime.String(),
		"--map", "speed=0,uint16,0.1", "--map", "occupancy=1,uint16,0.01", "--ready-file", "modbus.ready"); err != nil {
		return err
	}
	address, err := waitFile(ctx, s.clock, s.loops, filepath.Join(s.dir, "modbus.ready"), patience)
	if err != nil {
		return err
	}
	s.time = timeline{r: s.replay, begin: s.clock.Boot(), step: rowTime}

	template, err := fs.ReadFile(s.o.Assets, "demo.toml")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	site, err := scaleConfig(template, speed, overlay{
		"bus.loops": {"address": address},
		"agent":     {"listen": "127.0.0.1:" + strconv.Itoa(s.o.Port)},
	})
	if err != nil {
		return err
	}
	if err := s.write("site.toml", site); err != nil {
		return err
	}
	if s.cfg, err = config.Load(filepath.Join(s.dir, "site.toml")); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	state := s.cfg.StateDir()
	s.hist = newHistory(state)
	s.placed = map[string]bool{}
	s.tell = newNarrator(s.o.Out, s.o.Color, &s.time, s.hist, s.cfg)

	if s.worker, err = start(s.o.Binary, s.dir, "worker", "run", "--config", "site.toml"); err != nil {
		return err
	}
	s.page, err = waitFile(ctx, s.clock, s.worker, filepath.Join(state, "http.addr"), patience)
	if err != nil {
		return err
	}
	s.prologue()
	return nil
}

func (s *stage) prologue() {
	t := s.tell
	t.say(bold, "%s", s.cfg.Site.Name)
	t.say(plain, "Measured speeds and occupancies of two road detectors (MnDOT, by way of the Numenta Anomaly Benchmark) come in as Modbus registers,")
	t.say(plain, "five minutes in %s. An int8 network scores the last two hours; the guardian switches the SLOW DOWN sign by the rule.", rowTime)
	t.say(plain, "Status page: http://%s/", s.page)
	t.say(dim, "Half way a better model is dropped in, then two damaged ones and one that behaves badly. Unsigned models are allowed here. Ctrl-C ends it.")
	t.say(plain, "")
}

// play lets it run, tells what happens and drops the releases. It returns when the duration or ctx has ended.
func (s *stage) play(ctx context.Context) error {
	end := s.time.begin + s.o.Duration
	for {
		if err := s.hist.update(s.tell.listener()); err != nil {
			return err
		}
		now := s.clock.Boot()
		if now >= end || ctx.Err() != nil {
			break
		}
		for _, p := range []*process{s.chip, s.loops, s.worker} {
			select {
			case <-p.done:
				return p.died()
			default:
			}
		}
		for _, d := range drops {
			if !s.placed[d.folder] && now-s.time.begin >= time.Duration(d.at*float64(s.o.Duration)) {
				s.placed[d.folder] = true
				// Within one file system a rename makes the whole drop appear at once.
				if err := os.Rename(filepath.Join(s.dir, "drops", d.folder), filepath.Join(s.dir, "releases", d.folder)); err != nil {
					return fmt.Errorf("demo: drop %s: %w", d.folder, err)
				}
			}
		}
		// Woken early when ctx ends; the loop sees that.
		_ = hal.Sleep(ctx, s.clock, min(250*time.Millisecond, end-now))
	}
	s.seconds = (s.clock.Boot() - s.time.begin).Seconds()
	return nil
}

// close ends the worker in order, then judges what was recorded.
func (s *stage) close(ctx context.Context) (*Summary, error) {
	tot, err := totals(ctx, s.page)
	if err != nil {
		return nil, err
	}
	s.workerMemory = readMemory(s.worker.pid())
	if s.hist.guardPID > 0 {
		s.guardMemory = readMemory(s.hist.guardPID)
	}
	if err := s.worker.stop(patience); err != nil {
		return nil, fmt.Errorf("demo: the worker did not end in order: %w: %s", err, s.worker.tail())
	}
	if err := s.hist.update(s.tell.listener()); err != nil {
		return nil, err
	}
	s.strike()
	sum := &Summary{Polls: tot.Polls, PollsMissed: tot.PollsMissed, Inferences: tot.Inferences, Requests: s.hist.requests, Refusals: s.hist.refusals,
		LatencyP50MS: tot.LatencyP50MS, LatencyP99MS: tot.LatencyP99MS, Seconds: s.seconds, HeldOut: s.replay.figures.Split,
		Limit: s.replay.figures.Threshold, Trained: s.replay.figures, Worker: s.workerMemory, Guardian: s.guardMemory, Page: "http://" + s.page + "/", Kept: s.o.Keep}
	return sum, s.judge(sum)
}

// judge fills in what the records say.
func (s *stage) judge(sum *Summary) error {
	last := map[string]int{}
	for _, e := range s.hist.releases {
		switch e.State {
		case release.Swapped:
			sum.Swaps++
		case release.Refused, release.RolledBack:
			sum.SwapsRefused++
		}
		i, known := last[e.Folder]
		if !known {
			i = len(sum.Releases)
			last[e.Folder] = i
			sum.Releases = append(sum.Releases, Release{Folder: e.Folder})
		}
		sum.Releases[i] = Release{Folder: e.Folder, Version: e.Version, State: e.State, Reason: e.Reason}
	}

	record, err := gpiochip.ReadRecord(filepath.Join(s.dir, "lines.jsonl"))
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	s.time.align(s.hist.steps[taskIncident])
	var alarms []time.Time
	for _, e := range record {
		if e.Line != signLine || e.Event != gpiochip.EventTransition || e.From == e.To {
			continue
		}
		sum.Actuations++
		if e.To == 1 {
			alarms = append(alarms, s.time.when(time.Duration(e.BootNS)))
		}
	}
	if sum.Illegal, err = s.audit(record); err != nil {
		return err
	}
	sum.IllegalTransitions = len(sum.Illegal)

	endRow := s.time.row(s.time.begin + time.Duration(s.seconds*float64(time.Second)))
	sum.From, sum.To = s.replay.times[0], s.replay.times[endRow]
	first, steps := s.replay.times[endRow], s.hist.steps[taskIncident]
	for _, st := range steps {
		if st.OK {
			first = s.time.when(st.at)
			break
		}
	}
	var labels []span
	for _, l := range s.replay.labels {
		// Only what the model could see whole: its window was full before the label's middle, and the label ended.
		if middle := l.from.Add(l.to.Sub(l.from) / 2); !first.After(middle) && s.replay.slot(l.to) <= endRow {
			labels = append(labels, l)
		}
	}
	sum.Incidents = judgeEvents(alarms, labels)
	if t := s.cfg.Task(taskIncident); t != nil && len(t.Rules) > 0 {
		lease := int(t.Rules[0].Lease.D() / rowTime)
		sum.Threshold = judgeEvents(s.time.threshold(steps, s.replay.figures.Threshold, s.replay.figures.ThresholdBack, lease), labels)
	}
	if t := s.cfg.Task(taskNext); t != nil && t.Normalize != nil {
		for _, m := range s.hist.models(taskIncident) {
			sum.NextSpeed = append(sum.NextSpeed, ModelErrors{m.version, s.time.judgeNext(s.hist.stepsOf(taskNext, m.digest), *t.Normalize)})
		}
	}
	if t := s.cfg.Task(taskHour); t != nil && t.Normalize != nil {
		sum.NextHour = s.time.judgeHour(s.hist.steps[taskHour], *t.Normalize)
	}
	return nil
}

// strike ends whatever still runs: the worker in order first, so that the outputs go to their on_stop states, then what it may have left, then the
// devices. A second call does nothing.
func (s *stage) strike() {
	for _, p := range []*process{s.worker, s.loops, s.chip} {
		if p == nil {
			continue
		}
		select {
		case <-p.done:
		default:
			_ = p.stop(patience) // it has ended in either case
		}
		if p == s.worker && s.hist != nil {
			if s.hist.guardPID == 0 {
				_ = s.hist.update(listener{}) // the guardian's process id may be in what was not read yet
			}
			endLeftOver(s.clock, s.hist.guardPID, s.dir)
		}
	}
}
