package guard

import (
	"encoding/json"
	"fmt"
	"time"

	"wayside/agent/config"
	"wayside/hal"
)

// The protocol on the guardian's Unix socket: one JSON object per line, at most maxLine bytes, both ways.
//
// The client opens with {"op":"hello","v":N}; the guardian answers {"op":"hello","v":M,"pid":P} or an error and closes. Versions N−1 to N+1 are
// accepted, so that worker and guardian can be exchanged one after the other. Unknown fields are ignored, an unknown op is answered
// with an error. Every later message has an id, which its one answer repeats; answers may come in another order than questions.
//
//	op         fields                                                             answer
//	request    task output value decision input_boot_ns quality lease_ns          ok, reason, seq
//	heartbeat  task period_ns                                                     ok, reason
//	status                                                                        status
//	reload     path                                                               ok, reason
//	bye                                                                           ok; then the client closes
//
// The first request or heartbeat makes the connection the worker's. There is one worker at a time: while its connection lives, requests and
// heartbeats of others are refused. Closing it without bye is a crash.
const (
	protocolVersion = 1
	maxLine         = 64 << 10
)

// message is every message of the protocol, both ways.
type message struct {
	Op string `json:"op"`
	V  int    `json:"v,omitempty"`
	ID uint64 `json:"id,omitempty"`

	Task     string       `json:"task,omitempty"`
	Output   string       `json:"output,omitempty"`
	Value    *float64     `json:"value,omitempty"` // a pointer: left out is not off
	Decision string       `json:"decision,omitempty"`
	Input    int64        `json:"input_boot_ns,omitempty"`
	Quality  *hal.Quality `json:"quality,omitempty"` // a pointer: left out is not good
	Lease    int64        `json:"lease_ns,omitempty"`
	Period   int64        `json:"period_ns,omitempty"`
	Path     string       `json:"path,omitempty"`

	OK     bool    `json:"ok,omitempty"`
	Reason string  `json:"reason,omitempty"`
	Seq    uint64  `json:"seq,omitempty"`
	PID    int     `json:"pid,omitempty"`
	Status *Status `json:"status,omitempty"`
}

// acceptsVersion reports whether a peer of version v can be spoken with.
func acceptsVersion(v int) error {
	if v < protocolVersion-1 || v > protocolVersion+1 || v < 1 {
		return fmt.Errorf("protocol version %d is not understood: this side speaks %d and its neighbours", v, protocolVersion)
	}
	return nil
}

// encode is a message as a line.
func encode(m *message) ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// Request asks the guardian to bring an output to a value and to keep it there for Lease.
type Request struct {
	Task       string        // the asking task; the output's configuration must list it
	Output     string        // name of the output
	Value      float64       // 0 or 1
	DecisionID string        // the caller's id of the decision, under which both sides record it; not empty
	InputBoot  time.Duration // CLOCK_BOOTTIME at which the oldest input of the decision was taken
	Quality    hal.Quality   // the worst quality among the inputs of the decision
	Lease      time.Duration // how long the value holds without a decision on newer input; ignored when Value is the safe state
}

// Reply is the guardian's answer to a Request.
type Reply struct {
	Accepted bool
	Reason   string // why not, in words, starting with one of the Deny words; empty when accepted
	Seq      uint64 // number of the guardian's record of the change; 0 when nothing had to change
}

// Status is what the guardian knows of itself. All times are CLOCK_BOOTTIME in nanoseconds, or durations.
type Status struct {
	PID        int               `json:"pid"`
	BootNS     int64             `json:"boot_ns"` // when this status was taken
	StartedNS  int64             `json:"started_ns"`
	Mode       string            `json:"mode"` // "normal", "degraded" (running on the last good file) or "stopping"
	Reason     string            `json:"reason,omitempty"`
	Config     string            `json:"config"`     // the file in force
	WorkerPID  int               `json:"worker_pid"` // 0: none
	Outputs    []OutputStatus    `json:"outputs"`
	Interlocks []InterlockStatus `json:"interlocks"`
	Tasks      []TaskStatus      `json:"tasks"`
	Record     RecordStatus      `json:"record"`
}

// OutputStatus is one output.
type OutputStatus struct {
	Name        string       `json:"name"`
	Value       config.Value `json:"value"` // as last confirmed by the line
	Known       bool         `json:"known"` // false: the line is not owned, or its last command failed
	Safe        config.Value `json:"safe"`
	Reason      string       `json:"reason"`   // why it is as it is
	Task        string       `json:"task"`     // who holds the lease; empty: nobody
	Decision    string       `json:"decision"` // the decision that holds it
	SinceNS     int64        `json:"since_ns"` // when it took this value
	LeaseNS     int64        `json:"lease_left_ns"`
	Fault       string       `json:"fault,omitempty"` // what is wrong with the line
	OpsHour     int          `json:"ops_hour"`        // changes in the last hour
	Accepted    uint64       `json:"accepted"`        // requests, since the guardian started
	Refused     uint64       `json:"refused"`
	Transitions uint64       `json:"transitions"`
	LastRefusal string       `json:"last_refusal,omitempty"`
}

// InterlockStatus is one interlock.
type InterlockStatus struct {
	Name    string `json:"name"`
	Output  string `json:"output"`
	Forbids bool   `json:"forbids"`
	Reason  string `json:"reason"` // the reading it goes by, or why there is none
}

// TaskStatus is one task as the guardian sees it.
type TaskStatus struct {
	Name     string `json:"name"`
	Alive    bool   `json:"alive"`
	SilentNS int64  `json:"silent_ns"` // since its last sign of progress
}

// RecordStatus is the actuation record.
type RecordStatus struct {
	LastSeq     uint64 `json:"last_seq"`
	DurableSeq  uint64 `json:"durable_seq"`
	Errors      uint64 `json:"errors"`
	LastError   string `json:"last_error,omitempty"`
	SlowestNS   int64  `json:"slowest_sync_ns"`
	Corruptions uint64 `json:"corruptions"` // damaged places found when it was opened
}

// The words that a refusal starts with, for callers that count them. A refusal is one of them, alone or followed by a detail.
const (
	DenyUnknownOutput = "unknown output"
	DenyBadRequest    = "bad request"
	DenyNotAllowed    = "not allowed for task"
	DenyQuality       = "input quality"
	DenyTooOld        = "input too old"
	DenyFuture        = "input from the future"
	DenyNotNewer      = "not newer"
	DenyLease         = "lease"
	DenyInterlock     = "interlock"
	DenyMinOn         = "min_on"
	DenyMinOff        = "min_off"
	DenyMaxOn         = "max_on"
	DenyOps           = "ops per hour"
	DenyRecord        = "record not durable"
	DenyFault         = "line fault"
	DenyBusy          = "change in progress"
	DenySecondWorker  = "second worker"
	DenyDegraded      = "configuration broken"
	DenyStopping      = "stopping"
	DenyOverruled     = "overruled"
)
