package pipeline

import (
	"context"
	"strconv"
	"time"

	"wayside/agent/config"
	"wayside/agent/guard"
	"wayside/agent/release"
	"wayside/hal"
)

// Sink hears what the pipeline does. Calls come from many goroutines and must not block for long: a poller may be the caller.
type Sink interface {
	// Polled: one sensor's sample of one period, good or not.
	Polled(sensor string, s hal.Sample)
	// Missed: n periods passed without a sample; why is one of the Missed constants.
	Missed(sensor string, n int, why string)
	// Stepped: a task has looked at its window once.
	Stepped(s Step)
	// Decided: a request is about to be sent. The record must be on its way to the disk when the call returns.
	Decided(d Decision)
	// Answered: the guardian's answer to d, or err if there was none.
	Answered(d Decision, a guard.Reply, err error)
}

// Why a period passed without a sample.
const (
	MissedLate       = "late"       // the poll was not made inside its period: the machine or the device was too slow
	MissedNoAnswer   = "no_answer"  // the poll was made, the device gave nothing
	MissedQuarantine = "quarantine" // the poll was left out, because the device gave nothing several times
)

// Guardian is what the pipeline needs of the connection to the guardian. Calls return within a fraction of a second.
type Guardian interface {
	Request(ctx context.Context, r guard.Request) (guard.Reply, error)
	Heartbeat(task string, period time.Duration) error
}

// Step is one look of a task at its window.
type Step struct {
	Task     string
	Boot     time.Duration // CLOCK_BOOTTIME of the oldest deciding input
	Wall     time.Time
	OK       bool   // there is a score to act on
	Reason   string // why not
	Score    float64
	Gaps     int            // empty slots, all sensors together
	Forecast *Forecast      // of tasks whose model predicts
	Model    *release.Model // that ran; nil when none did
	Outputs  []float32      // all outputs in the model's order, in real units; valid only during the call
	Took     time.Duration  // of the model
	Overrun  bool           // the step took longer than the task's period
	Rules    []RuleView
	Inputs   []Input
}

// RuleView is a rule's state after a step.
type RuleView struct {
	Rule, Output string
	State        RuleState
}

// Forecast is a prediction beside the naive one, both in the sensor's units.
type Forecast struct {
	Sensor   string  `json:"sensor"`
	Actual   float64 `json:"actual"`   // now
	Expected float64 `json:"expected"` // what was predicted for now
	Next     float64 `json:"next"`     // predicted for the next step
	Naive    float64 `json:"naive"`    // what the naive forecast (no change) said for now
	MAE      float64 `json:"mae"`      // mean absolute error of the predictions so far
	NaiveMAE float64 `json:"naive_mae"`
	N        int     `json:"n"` // steps that the two means are over
}

// Input is one sensor's part in a decision.
type Input struct {
	Sensor  string        `json:"sensor"`
	Value   float64       `json:"value"`
	Quality hal.Quality   `json:"quality"`
	Boot    time.Duration `json:"boot_ns"`
	Gaps    int           `json:"gaps"`
}

// Decision is one request with everything it rests on. ID joins it with the guardian's record.
type Decision struct {
	ID        string        `json:"id"`
	Task      string        `json:"task"`
	Rule      string        `json:"rule"`
	Output    string        `json:"output"`
	Value     config.Value  `json:"-"`
	Want      string        `json:"value"`             // off or on
	Renewal   bool          `json:"renewal,omitempty"` // the same value again, on newer input
	Why       string        `json:"why"`
	Score     float64       `json:"score"`
	Inputs    []Input       `json:"inputs"`
	InputBoot time.Duration `json:"input_boot_ns"` // of the oldest deciding input
	Quality   hal.Quality   `json:"quality"`
	Lease     time.Duration `json:"lease_ns"`
	Model     string        `json:"model,omitempty"`
	Version   string        `json:"model_version,omitempty"`
	Digest    string        `json:"model_digest,omitempty"`
	Latency   time.Duration `json:"latency_ns"` // sample taken → request sent
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
