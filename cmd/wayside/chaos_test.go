package main

import (
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	chaosEvents = flag.Int("chaos.events", 24, "how many faults TestChaos injects")
	chaosSeed   = flag.Uint64("chaos.seed", 1, "seed of the order and the timing of the faults")
)

// fault is something that was done to the site, with the boot times around it. until is when it was undone; 0: it needs no undoing.
type fault struct {
	kind         string
	at, done     time.Duration
	until        time.Duration
	missedBefore float64 // polls missed before and after a model swap
	missedAfter  float64
}

// missedLate are the polls that the worker itself was too late for. Those that a device did not answer are not a swap's doing.
const missedLate = "wayside_polls_missed_total late"

// chaosKinds are the events of which TestChaos mixes equal shares. Each leaves the site able to recover by itself.
var chaosKinds = []struct {
	name string
	do   func(r *chaosRig, f *fault, n int)
}{
	{"kill -9 worker", func(r *chaosRig, f *fault, _ int) {
		w := r.workerProcess()
		r.must(w.signal(syscall.SIGKILL))
		f.done = r.clock.Boot()
		<-w.done
	}},
	{"kill -9 guardian", func(r *chaosRig, f *fault, _ int) {
		pid, err := r.guardianPID()
		r.must(err)
		r.must(syscall.Kill(pid, syscall.SIGKILL))
	}},
	{"SIGSTOP worker", func(r *chaosRig, f *fault, _ int) {
		w := r.workerProcess()
		r.must(w.signal(syscall.SIGSTOP))
		f.done = r.clock.Boot()
		time.Sleep(chaosLease + 300*time.Millisecond + time.Duration(r.rng.IntN(900))*time.Millisecond)
		f.until = r.clock.Boot()
		r.must(w.signal(syscall.SIGCONT))
	}},
	{"model swap", func(r *chaosRig, f *fault, n int) {
		f.missedBefore = r.metric(missedLate)
		before := r.metric("wayside_swaps_total")
		from := []string{"incident-2.0.0", "incident-1.0.0"}[n%2]
		if from == "incident-1.0.0" {
			r.dropFactory(fmt.Sprintf("d%d", n))
		} else {
			r.drop(from, fmt.Sprintf("d%d", n))
		}
		r.await("model swap", 15*time.Second, func() bool { return r.metric("wayside_swaps_total") > before })
		time.Sleep(100 * time.Millisecond)
		f.missedAfter = r.metric(missedLate)
	}},
	{"broken model", func(r *chaosRig, _ *fault, n int) {
		before := r.metric("wayside_swaps_refused_total")
		r.drop([]string{"incident-3.0.0", "incident-3.0.1", "incident-4.0.0"}[n%3], fmt.Sprintf("b%d", n))
		r.await("refusal of a broken model", 15*time.Second, func() bool { return r.metric("wayside_swaps_refused_total") > before })
	}},
	{"sensor dead", func(r *chaosRig, f *fault, _ int) { r.sensorFault(f, "dead") }},
	{"stale sensor", func(r *chaosRig, f *fault, n int) { r.sensorFault(f, []string{"silent", "exception 4"}[n%2]) }},
	{"reload good", func(r *chaosRig, _ *fault, n int) {
		// Every other one changes the output too, which the guardian must take over by way of the safe state.
		r.configure(0.7-0.01*float64(n%5), 0.4, 3600-n%2)
		r.must(r.workerProcess().signal(syscall.SIGHUP))
		time.Sleep(200 * time.Millisecond)
	}},
	{"reload bad", func(r *chaosRig, _ *fault, _ int) {
		good, err := os.ReadFile(r.path("site.toml"))
		r.must(err)
		pid := r.workerProcess().pid()
		r.site(strings.Replace(string(good), "max_gaps", "max_gasp", 1))
		r.must(r.workerProcess().signal(syscall.SIGHUP))
		time.Sleep(300 * time.Millisecond)
		r.site(string(good))
		if r.workerProcess().pid() != pid {
			r.t.Error("a bad reload ended the worker")
		}
	}},
	{"door open", func(r *chaosRig, f *fault, _ int) {
		r.door(true)
		f.done = r.clock.Boot()
		time.Sleep(300*time.Millisecond + time.Duration(r.rng.IntN(700))*time.Millisecond)
		f.until = r.clock.Boot()
		r.door(false)
	}},
}

func (r *chaosRig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// metric is one of the worker's sums; it waits for the page, which a restarted worker opens anew.
func (r *chaosRig) metric(name string) (v float64) {
	r.t.Helper()
	r.await("metrics page", 10*time.Second, func() bool {
		sums, ok := r.metrics()
		v = sums[name]
		return ok
	})
	return v
}

func (r *chaosRig) sensorFault(f *fault, command string) {
	r.fault(command)
	f.done = r.clock.Boot()
	time.Sleep(chaosLease + 200*time.Millisecond + time.Duration(r.rng.IntN(900))*time.Millisecond)
	f.until = r.clock.Boot()
	r.fault("ok")
}

// awaitOn waits a while for the sign to be on. It may be that it cannot be: then the fault comes all the same.
func (r *chaosRig) awaitOn() {
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if s, err := r.guardianStatus(); err == nil && len(s.Outputs) == 1 && s.Outputs[0].Value == 1 {
			return
		}
	}
}

// inject does fault number k of chaosKinds for the n-th time.
func (r *chaosRig) inject(k, n int) fault {
	f := fault{kind: chaosKinds[k].name, at: r.clock.Boot()}
	chaosKinds[k].do(r, &f, n)
	if f.done == 0 {
		f.done = r.clock.Boot()
	}
	return f
}

// run injects n faults and returns them in order.
func (r *chaosRig) run(n int) []fault {
	var order []int
	for len(order) < n {
		order = append(order, r.rng.Perm(len(chaosKinds))...)
	}
	count := make([]int, len(chaosKinds))
	var faults []fault
	for _, k := range order[:n] {
		r.healthy()
		// Most faults should meet a switched-on sign: that is when they matter.
		if r.rng.IntN(4) > 0 {
			r.awaitOn()
		}
		time.Sleep(time.Duration(r.rng.IntN(200)) * time.Millisecond)
		faults = append(faults, r.inject(k, count[k]))
		count[k]++
	}
	r.healthy()
	return faults
}

// TestChaos injects faults into a site of real processes and compares what the chip's own record shows with the declared rules and with
// the guardian's records.
func TestChaos(t *testing.T) {
	for i, release := range []string{"keep", "revert"} {
		t.Run("on-release="+release, func(t *testing.T) {
			n := *chaosEvents / 2
			r := newChaosRig(t, binary(t, ""), *chaosSeed+uint64(i), release)
			faults := r.run(n)
			r.stop()
			v := judgeChaos(t, r, faults)
			report := v.counts(faults)
			t.Logf("figure: chaos, lines %s on release, seed %d: %s", release, *chaosSeed+uint64(i), report)
			for _, w := range v.wrong {
				t.Error(w)
			}
			if v.transitions < n/4 {
				t.Errorf("the sign changed only %d times in %d events: nothing was tested", v.transitions, n)
			}
			if len(faults) != n {
				t.Errorf("%d faults injected, want %d", len(faults), n)
			}
		})
	}
}

// TestChaosNoticesABrokenRule runs a guardian in which one rule is switched off: the same judgement must find it.
func TestChaosNoticesABrokenRule(t *testing.T) {
	for _, rule := range []string{"ignore-lease", "ignore-min-off", "ignore-interlock"} {
		t.Run(rule, func(t *testing.T) {
			r := newChaosRig(t, binary(t, "mutant"), *chaosSeed, "keep", "WAYSIDE_MUTANT="+rule)
			var faults []fault
			// The faults that bring this rule into play, until the judgement has seen enough of them.
			kinds := map[string][]string{"ignore-lease": {"SIGSTOP worker"}, "ignore-min-off": {"door open"}, "ignore-interlock": {"door open"}}[rule]
			for i := range 4 {
				r.healthy()
				r.awaitOn()
				for k := range chaosKinds {
					if chaosKinds[k].name == kinds[i%len(kinds)] {
						faults = append(faults, r.inject(k, i))
					}
				}
			}
			r.stop()
			v := judgeChaos(t, r, faults)
			if len(v.wrong) == 0 {
				t.Errorf("a guardian with %s passed: %s", rule, v.counts(faults))
			} else {
				t.Logf("noticed: %s", v.wrong[0])
			}
		})
	}
}

// counts is one line for people: events by kind and the worst delays.
func (v *verdict) counts(faults []fault) string {
	byKind := map[string]int{}
	for _, f := range faults {
		byKind[f.kind]++
	}
	var parts []string
	for k, n := range byKind {
		parts = append(parts, fmt.Sprintf("%d %s", n, k))
	}
	sort.Strings(parts)
	return fmt.Sprintf("%d events (%s); %d transitions, %d records of them, %d violations; safe at most %s after losing the worker, lines owned again at most %s after losing the guardian, polls missed by swaps %g (%d swaps not judged: the machine stood still); lateness allowed %s",
		len(faults), strings.Join(parts, ", "), v.transitions, v.records, len(v.wrong), v.worstSafe.Round(time.Millisecond), v.worstOwned.Round(time.Millisecond), v.missed, v.unjudged, v.lateness.Round(time.Millisecond))
}
