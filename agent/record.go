package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"wayside/agent/journal"
	"wayside/agent/pipeline"
	"wayside/agent/release"
)

// The kinds of record in the worker's journal. The data of each is the JSON form of the type named.
const (
	KindStart    = "start"    // StartRecord
	KindStop     = "stop"     // StopRecord
	KindDecision = "decision" // pipeline.Decision, written before the request is sent
	KindReply    = "reply"    // ReplyRecord
	KindStep     = "step"     // StepRecord
	KindSensor   = "sensor"   // SensorRecord, when a sensor's quality changes
	KindRelease  = "release"  // release.Event
	KindReload   = "reload"   // ReloadRecord
	KindGuardian = "guardian" // GuardianRecord
)

// The folders of the two journals below state_dir.
const (
	workerJournal = "journal"
	guardJournal  = "guard"
)

// StartRecord is written when the worker starts.
type StartRecord struct {
	Version       string            `json:"version"`
	Config        string            `json:"config"`
	PID           int               `json:"pid"`
	AllowUnsigned bool              `json:"allow_unsigned"`
	Models        map[string]string `json:"models"` // name → digest
}

// StopRecord is written at an orderly stop.
type StopRecord struct {
	Reason string `json:"reason"`
}

// ReplyRecord is the guardian's answer to a decision.
type ReplyRecord struct {
	Decision string `json:"decision"`
	Accepted bool   `json:"accepted"`
	Reason   string `json:"reason,omitempty"` // of a refusal
	Seq      uint64 `json:"seq,omitempty"`    // of the guardian's record
	Error    string `json:"error,omitempty"`  // no answer: what the guardian did is in its own record
}

// StepRecord is one step of a task. Numbers that JSON cannot hold are left out.
type StepRecord struct {
	Task     string             `json:"task"`
	Boot     time.Duration      `json:"boot_ns"` // of the oldest input
	OK       bool               `json:"ok"`
	Reason   string             `json:"reason,omitempty"`
	Score    float64            `json:"score"`
	Gaps     int                `json:"gaps,omitempty"`
	Inputs   []pipeline.Input   `json:"inputs"`
	Outputs  []float32          `json:"outputs,omitempty"` // all of the model, in real units
	Forecast *pipeline.Forecast `json:"forecast,omitempty"`
	Digest   string             `json:"model_digest,omitempty"`
	TookNS   time.Duration      `json:"took_ns,omitempty"`
}

// SensorRecord notes a change of a sensor's quality.
type SensorRecord struct {
	Sensor  string  `json:"sensor"`
	Quality string  `json:"quality"`
	Reason  string  `json:"reason,omitempty"`
	Value   float64 `json:"value"`
}

// ReloadRecord notes a reload that was made or refused.
type ReloadRecord struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error,omitempty"`
	Changes any    `json:"changes,omitempty"`
}

// GuardianRecord notes what became of the connection to the guardian.
type GuardianRecord struct {
	Event string `json:"event"` // connected, lost, started, ended
	PID   int    `json:"pid,omitempty"`
	Error string `json:"error,omitempty"`
}

func stepRecord(s *pipeline.Step) StepRecord {
	r := StepRecord{Task: s.Task, Boot: s.Boot, OK: s.OK, Reason: s.Reason, Score: s.Score, Gaps: s.Gaps,
		Inputs: s.Inputs, Forecast: s.Forecast, TookNS: s.Took}
	if s.Model != nil {
		r.Digest = s.Model.Digest
	}
	r.Outputs = s.Outputs
	for _, v := range s.Outputs {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			r.Outputs = nil
			break
		}
	}
	return r
}

// Joint is one decision with everything that both processes recorded about it.
type Joint struct {
	ID       string
	Decision *pipeline.Decision // nil when the worker's record is lost
	Reply    *ReplyRecord       // nil when none came
	Guard    []journal.Record   // the guardian's records that name the decision, in its order
}

// Joined reads both journals below stateDir and joins them by decision id, in the order of the worker's decisions; those that only the
// guardian knows come last. It may run while both processes write. Places that could not be read are in damage.
func Joined(stateDir string) (joints []Joint, damage []journal.Damage, err error) {
	at := map[string]int{}
	get := func(id string) *Joint {
		i, ok := at[id]
		if !ok {
			i = len(joints)
			at[id] = i
			joints = append(joints, Joint{ID: id})
		}
		return &joints[i]
	}
	d, err := read(filepath.Join(stateDir, workerJournal), func(r journal.Record) error {
		switch r.Kind {
		case KindDecision:
			var v pipeline.Decision
			if err := json.Unmarshal(r.Data, &v); err != nil {
				return fmt.Errorf("agent: decision in %s at %d: %w", r.File, r.Offset, err)
			}
			get(v.ID).Decision = &v
		case KindReply:
			var v ReplyRecord
			if err := json.Unmarshal(r.Data, &v); err != nil {
				return fmt.Errorf("agent: reply in %s at %d: %w", r.File, r.Offset, err)
			}
			get(v.Decision).Reply = &v
		}
		return nil
	})
	damage = append(damage, d...)
	if err != nil {
		return nil, damage, err
	}
	d, err = read(filepath.Join(stateDir, guardJournal), func(r journal.Record) error {
		var v struct {
			Decision string `json:"decision"`
		}
		// Records of other shapes belong to no decision.
		if json.Unmarshal(r.Data, &v) == nil && v.Decision != "" {
			r.Data = append(json.RawMessage(nil), r.Data...)
			j := get(v.Decision)
			j.Guard = append(j.Guard, r)
		}
		return nil
	})
	damage = append(damage, d...)
	if err != nil {
		return nil, damage, err
	}
	return joints, damage, nil
}

// read is journal.Read; a journal that does not exist yet is empty.
func read(dir string, fn func(journal.Record) error) ([]journal.Damage, error) {
	d, err := journal.Read(dir, fn)
	if errors.Is(err, os.ErrNotExist) {
		return d, nil
	}
	return d, err
}

// ReadReleases gives the release events of the worker's journal, oldest first.
func ReadReleases(stateDir string) (events []release.Event, err error) {
	_, err = read(filepath.Join(stateDir, workerJournal), func(r journal.Record) error {
		if r.Kind != KindRelease {
			return nil
		}
		var e release.Event
		if err := json.Unmarshal(r.Data, &e); err != nil {
			return fmt.Errorf("agent: release event in %s at %d: %w", r.File, r.Offset, err)
		}
		events = append(events, e)
		return nil
	})
	return events, err
}
