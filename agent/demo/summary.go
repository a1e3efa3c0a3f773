package demo

import (
	"fmt"
	"io"
	"math"
	"time"
)

// Summary is what one demo showed. Counts come from the worker's counters, both journals, and the simulated chip's own record.
type Summary struct {
	Polls              uint64  `json:"polls"`               // periods with a sample taken inside them
	PollsMissed        uint64  `json:"polls_missed"`        // periods without one
	Inferences         uint64  `json:"inferences"`          // runs of a model
	Requests           int     `json:"requests"`            // to the guardian
	Actuations         int     `json:"actuations"`          // changes of the sign's line, as the chip recorded them
	Refusals           int     `json:"refusals"`            // requests that the guardian refused
	Swaps              int     `json:"swaps"`               // models that took over
	SwapsRefused       int     `json:"swaps_refused"`       // models refused or rolled back
	IllegalTransitions int     `json:"illegal_transitions"` // changes of the line outside the configured rules, as the chip recorded them
	LatencyP50MS       float64 `json:"latency_p50_ms"`      // sample taken to request sent
	LatencyP99MS       float64 `json:"latency_p99_ms"`

	Seconds  float64   `json:"seconds"` // of the replay
	From     time.Time `json:"replayed_from"`
	To       time.Time `json:"replayed_to"`
	HeldOut  string    `json:"held_out_from"` // nothing from here on was used in training
	Releases []Release `json:"releases"`

	Incidents Events        `json:"incidents"`           // the sign going on against the labels
	Threshold Events        `json:"incidents_threshold"` // a plain threshold on the same readings
	Limit     float64       `json:"threshold_mph"`
	NextSpeed []ModelErrors `json:"next_speed_mae"`      // miles per hour, five minutes ahead
	NextHour  Errors        `json:"next_hour_mae"`       // percent occupied, the twelve readings of the next hour
	Trained   figures       `json:"whole_held_out_part"` // as measured in training, per release

	Worker   Memory   `json:"worker_memory"`
	Guardian Memory   `json:"guardian_memory"`
	Illegal  []string `json:"illegal,omitempty"` // each such transition in words
	Page     string   `json:"page"`
	Kept     string   `json:"kept,omitempty"` // the folder, if it was to be kept
}

// Release is what became of one drop.
type Release struct {
	Folder  string `json:"folder"`
	Version string `json:"version,omitempty"` // unknown for a drop that never was complete
	State   string `json:"state"`
	Reason  string `json:"reason,omitempty"`
}

// Print writes the summary for people.
func (s *Summary) Print(w io.Writer) error {
	p := &printer{w: w}
	p.line("")
	p.line("Summary: %s of the detectors' time in %.0f s, all of it after the models' training data ended", span{s.From, s.To}.length(), s.Seconds)
	p.line("  polls                %d, missed %d", s.Polls, s.PollsMissed)
	p.line("  inferences           %d", s.Inferences)
	p.line("  requests             %d, refused by the guardian %d", s.Requests, s.Refusals)
	p.line("  changes of the sign  %d, outside the rules %d (by the simulated chip's own record)", s.Actuations, s.IllegalTransitions)
	p.line("  models               %d taken, %d refused", s.Swaps, s.SwapsRefused)
	for _, r := range s.Releases {
		reason := r.Reason
		if reason != "" {
			reason = ": " + reason
		}
		p.line("    %-16s %s%s", r.Folder, r.State, reason)
	}
	p.line("  memory               worker %s", s.Worker)
	p.line("                       guardian %s", s.Guardian)
	p.line("  sample to request    p50 %.2f ms, p99 %.2f ms", s.LatencyP50MS, s.LatencyP99MS)
	p.line("  incidents            %s; a plain threshold at %g mph: %s", s.Incidents, s.Limit, s.Threshold)
	for _, m := range s.NextSpeed {
		p.line("  next speed           %s, while model incident %s ran", m.in("mph"), m.Version)
	}
	p.line("  next hour            %s", s.NextHour.in("points of occupancy"))
	f := s.Trained
	p.line("On the whole held-out part, from %s on, training measured for the incident model", f.Split)
	p.line("  F1                   1.0.0 (factory) %.2f, 2.0.0 %.2f, plain threshold %.2f", f.EventF1["1.0.0"], f.EventF1["2.0.0"], f.EventF1["threshold"])
	p.line("  MAE of next speed    1.0.0 (factory) %.2f, 2.0.0 %.2f, naive %.2f", f.NextMAE["1.0.0"], f.NextMAE["2.0.0"], f.NextMAE["naive"])
	p.line("and for the forecaster an MAE over the next hour of %.2f, naive %.2f.", f.HourMAE["gru"], f.HourMAE["naive"])
	for _, i := range s.Illegal {
		p.line("  OUTSIDE THE RULES    %s", i)
	}
	if s.Incidents.Labelled < 3 {
		p.line("The data labels %d incidents in this stretch: the figures say that the chain works, not how good the model is.", s.Incidents.Labelled)
	}
	if s.Kept != "" {
		p.line("Configuration, journals and records are in %s", s.Kept)
	}
	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, a ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", a...)
	}
}

func (s span) length() string {
	d := s.to.Sub(s.from)
	if d <= 0 {
		return "more than the whole stretch"
	}
	return fmt.Sprintf("%.1f hours", math.Round(d.Hours()*10)/10)
}

// String is the counts and F1.
func (e Events) String() string {
	return fmt.Sprintf("%d of %d found, %d false alarms, F1 %.2f", e.Found, e.Labelled, e.FalseAlarms, e.F1)
}

// in is both errors in words.
func (e Errors) in(unit string) string {
	if e.Values == 0 {
		return "nothing to compare"
	}
	return fmt.Sprintf("off by %.2f %s, the naive forecast by %.2f (%d values)", e.Model, unit, e.Naive, e.Values)
}

// String is the three measures in MB.
func (m Memory) String() string {
	mb := func(kib int64) float64 { return float64(kib) / 1024 }
	return fmt.Sprintf("private (RssAnon) %.1f MB, RSS %.1f MB, PSS %.1f MB", mb(m.RSSAnonKiB), mb(m.RSSKiB), mb(m.PSSKiB))
}
