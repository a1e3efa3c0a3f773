package agent

import (
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"wayside/agent/guard"
	"wayside/agent/journal"
	"wayside/agent/pipeline"
	"wayside/agent/release"
	"wayside/agent/telemetry"
	"wayside/agent/web"
	"wayside/hal"
)

// recorder hears what the pipeline does and tells journal, metrics and page. Safe for concurrent use.
type recorder struct {
	journal *journal.Journal
	metrics *telemetry.Metrics
	board   *web.Board
	log     *slog.Logger
	dirty   atomic.Bool // the journal has records that are not yet on the disk

	mu       sync.Mutex
	sensors  map[string]*sensorSeen
	tasks    map[string]*taskSeen
	releases map[string]string // model → what last happened to a drop for it
	lastErr  time.Time         // of the journal, for the throttle
	dropped  int

	progress atomic.Int64 // boot time of the last poll or step, for health
}

type sensorSeen struct {
	quality hal.Quality
	have    bool
	told    time.Time // when the page last heard of a change
}

type taskSeen struct {
	ok, have bool
	told     time.Time
	view     web.Task
}

var _ pipeline.Sink = (*recorder)(nil)

// calm is how long the page and the log wait before they tell of another change of the same sensor or task. The journal has them all.
const calm = 5 * time.Second

func newRecorder(j *journal.Journal, m *telemetry.Metrics, b *web.Board, log *slog.Logger) *recorder {
	return &recorder{journal: j, metrics: m, board: b, log: log,
		sensors: map[string]*sensorSeen{}, tasks: map[string]*taskSeen{}, releases: map[string]string{}}
}

// write appends a record. A journal that does not take it must not stop the worker: the failure is counted and logged, at most every 10 s.
func (r *recorder) write(kind string, v any) {
	_, err := r.journal.Append(kind, v)
	r.metrics.Journal(err == nil)
	r.dirty.Store(true)
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped++
	if time.Since(r.lastErr) > 10*time.Second {
		r.log.Error("journal does not take records", "err", err, "dropped", r.dropped)
		r.lastErr, r.dropped = time.Now(), 0
	}
}

// sync puts everything appended so far on the disk.
func (r *recorder) sync() {
	if !r.dirty.Swap(false) {
		return
	}
	if err := r.journal.Sync(); err != nil {
		r.dirty.Store(true)
		r.metrics.Journal(false)
		r.log.Error("journal cannot be synced", "err", err)
	}
}

func (r *recorder) event(kind, level, text string) { r.board.Event(time.Now(), kind, level, text) }

func (r *recorder) Polled(sensor string, s hal.Sample) {
	r.progress.Store(int64(s.Boot))
	r.metrics.Polled(sensor, s.Quality)
	r.board.Add(sensor, s.Wall, s.Value, s.Quality == hal.Good, s.Quality.String(), s.Reason)
	r.mu.Lock()
	seen := r.sensors[sensor]
	if seen == nil {
		seen = &sensorSeen{}
		r.sensors[sensor] = seen
	}
	changed := !seen.have || seen.quality != s.Quality
	first := !seen.have
	seen.have, seen.quality = true, s.Quality
	tell := changed && !(first && s.Quality == hal.Good) && time.Since(seen.told) > calm
	if tell {
		seen.told = time.Now()
	}
	r.mu.Unlock()
	if changed {
		r.write(KindSensor, SensorRecord{Sensor: sensor, Quality: s.Quality.String(), Reason: s.Reason, Value: finite(s.Value)})
	}
	if tell {
		level, text := "good", fmt.Sprintf("Sensor %s is good again", sensor)
		if s.Quality != hal.Good {
			level, text = "warn", fmt.Sprintf("Sensor %s: %s, %s", sensor, words(s.Quality.String()), s.Reason)
		}
		r.event("sensor", level, text)
		r.log.Warn("sensor quality", "sensor", sensor, "quality", s.Quality.String(), "reason", s.Reason)
	}
}

func words(s string) string { return strings.ReplaceAll(s, "_", " ") }

func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

func (r *recorder) Missed(sensor string, n int, why string) {
	r.metrics.Missed(sensor, n, why, why == pipeline.MissedLate)
}

func (r *recorder) Stepped(s pipeline.Step) {
	r.progress.Store(int64(s.Boot))
	r.metrics.Stepped(s.Task, s.OK, s.Overrun)
	if s.Model != nil && s.Outputs != nil {
		r.metrics.Inferred(s.Task, s.Model.Name, s.Took)
	}
	s.Score = finite(s.Score)
	r.board.Add(scoreSeries(s.Task), s.Wall, s.Score, s.OK, map[bool]string{true: "good", false: "no_data"}[s.OK], s.Reason)
	if f := s.Forecast; f != nil && f.N > 0 {
		r.board.Add(forecastSeries(s.Task), s.Wall, f.Expected, s.OK, "good", "")
		r.board.Add(naiveSeries(s.Task), s.Wall, f.Naive, s.OK, "good", "")
	}
	view := web.Task{Name: s.Task, State: "scoring", Reason: s.Reason, Score: s.Score}
	if !s.OK {
		view.State = "no_data"
	}
	if s.Forecast != nil {
		view.Forecast = s.Forecast
	}
	for _, v := range s.Rules {
		view.Rules = append(view.Rules, web.Rule{Name: v.Rule, Output: v.Output, State: v.State.String()})
	}
	r.mu.Lock()
	seen := r.tasks[s.Task]
	if seen == nil {
		seen = &taskSeen{}
		r.tasks[s.Task] = seen
	}
	changed := seen.have && seen.ok != s.OK
	tell := changed && time.Since(seen.told) > calm
	if tell {
		seen.told = time.Now()
	}
	seen.ok, seen.have, seen.view = s.OK, true, view
	r.mu.Unlock()
	if tell {
		if s.OK {
			r.event("task", "good", fmt.Sprintf("Task %s scores again", s.Task))
		} else {
			r.event("task", "warn", fmt.Sprintf("Task %s asks for nothing: %s", s.Task, s.Reason))
		}
	}
	r.write(KindStep, stepRecord(&s))
}

func scoreSeries(task string) string    { return task + " score" }
func forecastSeries(task string) string { return task + " forecast" }
func naiveSeries(task string) string    { return task + " naive forecast" }
func outputSeries(output string) string { return "output " + output }

func (r *recorder) Decided(d pipeline.Decision) { r.write(KindDecision, d) }

func (r *recorder) Answered(d pipeline.Decision, rep guard.Reply, err error) {
	r.metrics.Requested(d.Task, d.Output, d.Want, d.Renewal, d.Latency)
	rec := ReplyRecord{Decision: d.ID, Accepted: rep.Accepted, Reason: rep.Reason, Seq: rep.Seq}
	switch {
	case err != nil:
		rec.Error = err.Error()
		r.metrics.Refused(d.Output, "no guardian")
	case !rep.Accepted:
		r.metrics.Refused(d.Output, denyWord(rep.Reason))
	}
	r.write(KindReply, rec)
	if d.Renewal {
		return
	}
	verb := fmt.Sprintf("%s asks %s for %s (score %.3g, model %s %s)", d.Rule, d.Output, d.Want, d.Score, d.Model, d.Version)
	switch {
	case err != nil:
		r.event("refusal", "bad", verb+": no answer from the guardian")
	case !rep.Accepted:
		r.event("refusal", "warn", verb+": refused, "+rep.Reason)
	default:
		r.event("decision", "info", verb)
	}
}

// denyWord cuts a refusal down to the guardian's own word for it, so that metrics keep few labels.
func denyWord(reason string) string {
	for _, w := range []string{guard.DenyUnknownOutput, guard.DenyBadRequest, guard.DenyNotAllowed, guard.DenyQuality, guard.DenyTooOld,
		guard.DenyFuture, guard.DenyNotNewer, guard.DenyLease, guard.DenyInterlock, guard.DenyMinOn, guard.DenyMinOff, guard.DenyMaxOn,
		guard.DenyOps, guard.DenyRecord, guard.DenyFault, guard.DenyBusy, guard.DenySecondWorker, guard.DenyDegraded, guard.DenyStopping,
		guard.DenyOverruled} {
		if strings.HasPrefix(reason, w) {
			return w
		}
	}
	return "other"
}

// Released tells of one step of a drop.
func (r *recorder) Released(e release.Event) {
	r.write(KindRelease, e)
	name := strings.TrimSpace(e.Model + " " + e.Version)
	if name == "" {
		name = e.Folder
	}
	log := r.log.With("folder", e.Folder, "model", e.Model, "version", e.Version, "digest", e.Digest)
	switch e.State {
	case release.Swapped:
		r.metrics.Swapped(e.Model)
		r.event("model", "good", "Model "+name+" took over, in probation")
		log.Info("model swapped")
	case release.Confirmed:
		r.event("model", "good", "Model "+name+" is confirmed")
		log.Info("model confirmed", "reason", e.Reason)
	case release.Refused, release.RolledBack:
		r.metrics.SwapRefused(e.Model, e.State)
		r.event("model", "bad", "Model "+name+" "+words(e.State)+": "+e.Reason)
		log.Warn("model "+words(e.State), "reason", e.Reason)
	default:
		log.Debug("drop", "state", e.State)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	text := "drop " + e.Folder + ": " + words(e.State)
	if e.Reason != "" {
		text += ", " + e.Reason
	}
	r.releases[e.Model] = text
}

// lastRelease is what last happened to a drop for the model.
func (r *recorder) lastRelease(model string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.releases[model]
}

// taskView is the last step of a task for the page.
func (r *recorder) taskView(name string) web.Task {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.tasks[name]; t != nil {
		return t.view
	}
	return web.Task{Name: name, State: "no_data", Reason: "no step yet"}
}
