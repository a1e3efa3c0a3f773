package telemetry

import (
	"bytes"
	"log/slog"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"wayside/hal"
)

func TestQuantiles(t *testing.T) {
	var q Quantiles
	if q.At(0.5) != 0 {
		t.Error("an empty estimate is not 0")
	}
	for i := 1; i <= 1000; i++ {
		q.Add(time.Duration(i) * time.Millisecond)
	}
	q.Add(0)
	q.Add(-time.Second) // a clock that steps back must not crash
	q.Add(100 * time.Hour)
	for _, c := range []struct {
		p    float64
		want time.Duration
	}{{0.5, 500 * time.Millisecond}, {0.9, 900 * time.Millisecond}, {0.99, 990 * time.Millisecond}, {0.01, 9 * time.Millisecond}} {
		if got := q.At(c.p); math.Abs(float64(got-c.want)) > 0.03*float64(c.want) {
			t.Errorf("quantile %g is %s, want %s within 3 %%", c.p, got, c.want)
		}
	}
	if q.N() != 1003 {
		t.Errorf("N is %d", q.N())
	}
}

func TestMetrics(t *testing.T) {
	m := New("1.2.3")
	m.Polled("speed", hal.Good)
	m.Polled("speed", hal.OutOfRange)
	m.Polled("speed", hal.DeviceMissing)
	m.Missed("speed", 2, "late", true)
	m.Missed("speed", 1, "no_answer", false)
	m.Inferred("t", "m", 3*time.Millisecond)
	m.Stepped("t", true, true)
	m.Requested("t", "sign", "on", false, 2*time.Millisecond)
	m.Requested("t", "sign", "on", true, 2*time.Millisecond)
	m.Refused("sign", "min_on")
	m.Swapped("m")
	m.SwapRefused("m", "rolled_back")
	m.Model("m", "1", "abc", "confirmed")
	m.Model("m", "2", "def", "probation")
	m.Guardian(true)
	m.GuardianStarted()
	m.Reloaded(false)
	m.Journal(true)
	m.Journal(false)
	m.Gauge("wayside_journal_bytes", func() float64 { return 42 })
	got := m.Totals()
	want := Totals{Polls: 2, PollsMissed: 3, PollsMissedLate: 2, Inferences: 1, Requests: 2, Refusals: 1, Swaps: 1, SwapsRefused: 1,
		LatencyP50MS: got.LatencyP50MS, LatencyP99MS: got.LatencyP99MS, Guardian: true}
	if got != want || math.Abs(got.LatencyP50MS-2) > 0.1 {
		t.Errorf("totals %+v, want %+v", got, want)
	}
	var b bytes.Buffer
	m.WritePrometheus(&b)
	text := b.String()
	for _, line := range []string{
		`wayside_build_info{version="1.2.3"} 1`,
		`wayside_samples_total{sensor="speed",quality="device_missing"} 1`,
		`wayside_polls_total{sensor="speed"} 2`,
		`wayside_polls_missed_total{sensor="speed",reason="late"} 2`,
		`wayside_inferences_total{task="t",model="m"} 1`,
		`wayside_step_overruns_total{task="t"} 1`,
		`wayside_requests_total{task="t",output="sign"} 2`,
		`wayside_decisions_total{task="t",output="sign",value="on"} 1`,
		`wayside_refusals_total{output="sign",reason="min_on"} 1`,
		`wayside_swaps_refused_total{model="m",state="rolled_back"} 1`,
		`wayside_model_info{model="m",version="2",digest="def",state="probation"} 1`,
		`wayside_guardian_connected 1`,
		`wayside_reloads_total{result="refused"} 1`,
		`wayside_journal_errors_total 1`,
		`wayside_journal_bytes 42`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("the text lacks %s", line)
		}
	}
	if strings.Contains(text, `version="1",digest`) {
		t.Error("the model before is still there")
	}
	name := regexp.MustCompile(`^(wayside_[a-z_]+|process_[a-z_]+|go_[a-z_]+)(\{|\s)`)
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		if !name.MatchString(l) {
			t.Errorf("odd line %q", l)
		}
	}
}

func TestLoggerLeavesTimeToTheManager(t *testing.T) {
	for managed, want := range map[bool]bool{true: false, false: true} {
		var b bytes.Buffer
		NewLogger(&b, slog.LevelInfo, managed).Info("x", "component", "agent")
		if got := strings.Contains(b.String(), "time="); got != want {
			t.Errorf("managed %v: %q", managed, b.String())
		}
	}
}
