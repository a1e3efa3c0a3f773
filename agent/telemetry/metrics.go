package telemetry

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"wayside/hal"
)

// Metrics are the worker's counters. Names begin with wayside_ and carry their unit; they are stable. Safe for concurrent use.
type Metrics struct {
	set *metrics.Set

	mu     sync.Mutex
	models map[string]string // name → labels of its info metric

	// Latency is sample taken → request sent.
	Latency Quantiles

	polls, missed, missedLate, inferences, requests, refusals, swaps, swapsRefused atomic.Uint64
	guardian                                                                       atomic.Bool
}

// New makes an empty set of counters. version names the program in wayside_build_info.
func New(version string) *Metrics {
	m := &Metrics{set: metrics.NewSet(), models: map[string]string{}}
	m.set.NewGauge(series("wayside_build_info", "version", version), func() float64 { return 1 })
	m.set.NewGauge("wayside_guardian_connected", func() float64 {
		if m.guardian.Load() {
			return 1
		}
		return 0
	})
	return m
}

// series writes a metric's name with its labels, values quoted.
func series(name string, labels ...string) string {
	var b strings.Builder
	b.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		b.WriteByte(sep)
		fmt.Fprintf(&b, "%s=%q", labels[i], labels[i+1])
	}
	if len(labels) > 0 {
		b.WriteByte('}')
	}
	return b.String()
}

func (m *Metrics) inc(name string, labels ...string) {
	m.set.GetOrCreateCounter(series(name, labels...)).Inc()
}

// Polled counts a period with a sample, and the sample's quality.
func (m *Metrics) Polled(sensor string, q hal.Quality) {
	m.inc("wayside_samples_total", "sensor", sensor, "quality", q.String())
	if q != hal.DeviceMissing {
		m.polls.Add(1)
		m.inc("wayside_polls_total", "sensor", sensor)
	}
}

// Missed counts periods without a sample. why is one of pipeline's Missed constants; late ones are the machine's doing.
func (m *Metrics) Missed(sensor string, n int, why string, late bool) {
	m.missed.Add(uint64(n))
	if late {
		m.missedLate.Add(uint64(n))
	}
	m.set.GetOrCreateCounter(series("wayside_polls_missed_total", "sensor", sensor, "reason", why)).Add(n)
}

// Inferred counts one run of a model.
func (m *Metrics) Inferred(task, model string, took time.Duration) {
	m.inferences.Add(1)
	m.inc("wayside_inferences_total", "task", task, "model", model)
	m.set.GetOrCreateHistogram(series("wayside_inference_seconds", "task", task, "model", model)).Update(took.Seconds())
}

// Stepped counts a task's step: with a score, or without one; overrun when it took longer than its period.
func (m *Metrics) Stepped(task string, scored, overrun bool) {
	result := "score"
	if !scored {
		result = "no_data"
	}
	m.inc("wayside_steps_total", "task", task, "result", result)
	if overrun {
		m.inc("wayside_step_overruns_total", "task", task)
	}
}

// Requested counts one request to the guardian, with how old its oldest input was when it was sent.
func (m *Metrics) Requested(task, output, value string, renewal bool, latency time.Duration) {
	m.requests.Add(1)
	if !renewal {
		m.inc("wayside_decisions_total", "task", task, "output", output, "value", value)
	}
	m.inc("wayside_requests_total", "task", task, "output", output)
	m.Latency.Add(latency)
	m.set.GetOrCreateHistogram(series("wayside_request_latency_seconds", "task", task)).Update(latency.Seconds())
}

// Refused counts a request that was not granted. reason is a short word without values in it: it becomes a label.
func (m *Metrics) Refused(output, reason string) {
	m.refusals.Add(1)
	m.inc("wayside_refusals_total", "output", output, "reason", reason)
}

// Swapped counts a model that took over.
func (m *Metrics) Swapped(model string) {
	m.swaps.Add(1)
	m.inc("wayside_swaps_total", "model", model)
}

// SwapRefused counts a release that was refused or rolled back.
func (m *Metrics) SwapRefused(model, state string) {
	m.swapsRefused.Add(1)
	m.inc("wayside_swaps_refused_total", "model", model, "state", state)
}

// Model says which model runs under a name: wayside_model_info with value 1.
func (m *Metrics) Model(name, version, digest, state string) {
	labels := series("wayside_model_info", "model", name, "version", version, "digest", digest, "state", state)
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.models[name]; old != labels {
		if old != "" {
			m.set.UnregisterMetric(old)
		}
		m.models[name] = labels
		m.set.NewGauge(labels, func() float64 { return 1 })
	}
}

// Guardian says whether there is a connection to the guardian.
func (m *Metrics) Guardian(connected bool) { m.guardian.Store(connected) }

// GuardianStarted counts how often the worker had to start the guardian.
func (m *Metrics) GuardianStarted() { m.inc("wayside_guardian_starts_total") }

// Reloaded counts reloads of the configuration.
func (m *Metrics) Reloaded(ok bool) {
	result := "ok"
	if !ok {
		result = "refused"
	}
	m.inc("wayside_reloads_total", "result", result)
}

// Journal counts appended records and those that could not be.
func (m *Metrics) Journal(ok bool) {
	if ok {
		m.inc("wayside_journal_records_total")
	} else {
		m.inc("wayside_journal_errors_total")
	}
}

// Gauge adds a value that is read when asked for, such as the journal's size.
func (m *Metrics) Gauge(name string, f func() float64) { m.set.NewGauge(name, f) }

// Totals are the counters in one look.
type Totals struct {
	Polls           uint64  `json:"polls"`             // periods with a sample
	PollsMissed     uint64  `json:"polls_missed"`      // periods without one, whatever the reason
	PollsMissedLate uint64  `json:"polls_missed_late"` // of them: the poll was not made inside its period
	Inferences      uint64  `json:"inferences"`
	Requests        uint64  `json:"requests"`
	Refusals        uint64  `json:"refusals"`
	Swaps           uint64  `json:"swaps"`
	SwapsRefused    uint64  `json:"swaps_refused"`
	LatencyP50MS    float64 `json:"latency_p50_ms"` // sample taken → request sent
	LatencyP99MS    float64 `json:"latency_p99_ms"`
	Guardian        bool    `json:"guardian_connected"`
}

// Totals reads the counters.
func (m *Metrics) Totals() Totals {
	ms := func(p float64) float64 { return float64(m.Latency.At(p)) / 1e6 }
	return Totals{
		Polls: m.polls.Load(), PollsMissed: m.missed.Load(), PollsMissedLate: m.missedLate.Load(), Inferences: m.inferences.Load(),
		Requests: m.requests.Load(), Refusals: m.refusals.Load(), Swaps: m.swaps.Load(), SwapsRefused: m.swapsRefused.Load(),
		LatencyP50MS: ms(0.5), LatencyP99MS: ms(0.99), Guardian: m.guardian.Load(),
	}
}

// WritePrometheus writes everything in the text format, the process's own figures included.
func (m *Metrics) WritePrometheus(w io.Writer) {
	m.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}
