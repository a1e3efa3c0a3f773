package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// Record names a model in the store.
type Record struct {
	Version string    `json:"version"`
	Digest  string    `json:"digest"`  // of the model's bytes, and the name of its blob
	Release string    `json:"release"` // of release.toml
	At      time.Time `json:"at"`
}

// attempt is a release that was begun and not ended. It is written before the step that may kill the process.
type attempt struct {
	Release string `json:"release"`
	Tries   int    `json:"tries"`
	Step    string `json:"step"`
	Digest  string `json:"digest,omitempty"` // of its model, once the bytes are kept
}

type modelState struct {
	Active   *Record  `json:"active,omitempty"` // nil: the factory model
	Previous *Record  `json:"previous,omitempty"`
	Pending  *attempt `json:"pending,omitempty"`
}

// handled is a release that has been decided on: it is not looked at again while its folder stays.
type handled struct {
	Outcome string    `json:"outcome"` // refused, rolled_back, confirmed
	Reason  string    `json:"reason,omitempty"`
	At      time.Time `json:"at"`
}

type stateFile struct {
	Models   map[string]*modelState `json:"models"`
	Handled  map[string]handled     `json:"handled"`
	Checksum string                 `json:"checksum"`
}

// maxHandled bounds the memory of past releases; the oldest are forgotten.
const maxHandled = 256

// Store keeps which model is active, what was tried and what was refused, and the bytes of the models, over restarts and power
// cuts: state_dir/active.json and state_dir/blobs/<sha256>. Every write is whole and durable. Not safe for concurrent use.
type Store struct {
	dir   string
	state stateFile
}

// OpenStore reads the state below dir. A damaged file is moved aside and reported through damaged; nothing in it is used.
func OpenStore(dir string) (s *Store, damaged error, err error) {
	s = &Store{dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, "blobs"), 0o700); err != nil {
		return nil, nil, fmt.Errorf("release: opening the state: %w", err)
	}
	data, err := os.ReadFile(s.path())
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, nil, fmt.Errorf("release: opening the state: %w", err)
	default:
		if damaged = s.decode(data); damaged != nil {
			s.state = stateFile{}
			aside := s.path() + ".damaged"
			if err := os.Rename(s.path(), aside); err != nil {
				return nil, nil, fmt.Errorf("release: moving the damaged state aside: %w", err)
			}
			damaged = fmt.Errorf("release: %s is damaged (%w): moved to %s, factory models are used", s.path(), damaged, aside)
		}
	}
	if s.state.Models == nil {
		s.state.Models = map[string]*modelState{}
	}
	if s.state.Handled == nil {
		s.state.Handled = map[string]handled{}
	}
	return s, damaged, nil
}

func (s *Store) path() string { return filepath.Join(s.dir, "active.json") }

func (s *Store) decode(data []byte) error {
	if err := json.Unmarshal(data, &s.state); err != nil {
		return err
	}
	want := s.state.Checksum
	if sum, err := s.state.sum(); err != nil || sum != want {
		return errors.New("checksum does not hold")
	}
	for _, m := range s.state.Models {
		if m == nil {
			return errors.New("an entry is empty")
		}
	}
	return nil
}

func (f stateFile) sum() (string, error) {
	f.Checksum = ""
	b, err := json.Marshal(f)
	if err != nil {
		return "", err
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:]), nil
}

func (s *Store) save() error {
	for len(s.state.Handled) > maxHandled {
		oldest := ""
		for d, h := range s.state.Handled {
			if oldest == "" || h.At.Before(s.state.Handled[oldest].At) {
				oldest = d
			}
		}
		delete(s.state.Handled, oldest)
	}
	sum, err := s.state.sum()
	if err != nil {
		return fmt.Errorf("release: writing the state: %w", err)
	}
	s.state.Checksum = sum
	b, err := json.MarshalIndent(s.state, "", " ")
	if err != nil {
		return fmt.Errorf("release: writing the state: %w", err)
	}
	if err := writeDurably(s.path(), b); err != nil {
		return fmt.Errorf("release: writing the state: %w", err)
	}
	return nil
}

func (s *Store) model(name string) *modelState {
	m := s.state.Models[name]
	if m == nil {
		m = &modelState{}
		s.state.Models[name] = m
	}
	return m
}

// begin counts a try of release for the model and writes it down before anything of it is loaded.
func (s *Store) begin(name, release, step string) (tries int, err error) {
	m := s.model(name)
	if m.Pending == nil || m.Pending.Release != release {
		m.Pending = &attempt{Release: release}
	}
	m.Pending.Tries++
	m.Pending.Step = step
	return m.Pending.Tries, s.save()
}

// reach writes down that the try has come to step with the kept model digest.
func (s *Store) reach(name, step, digest string) error {
	if m := s.model(name); m.Pending != nil {
		m.Pending.Step, m.Pending.Digest = step, digest
	}
	return s.save()
}

// abandon forgets a try that was ended by an orderly stop: it was not the release's fault.
func (s *Store) abandon(name string) error {
	s.model(name).Pending = nil
	return s.save()
}

// settle ends a try without a change of the active model.
func (s *Store) settle(name, release, outcome, reason string) error {
	s.model(name).Pending = nil
	s.state.Handled[release] = handled{Outcome: outcome, Reason: reason, At: time.Now().UTC()}
	return s.save()
}

// promote makes r the active model of name.
func (s *Store) promote(name string, r Record) error {
	m := s.model(name)
	m.Previous, m.Active, m.Pending = m.Active, &r, nil
	s.state.Handled[r.Release] = handled{Outcome: "confirmed", At: r.At}
	if err := s.save(); err != nil {
		return err
	}
	return s.sweep()
}

// putBlob keeps a model's bytes under their digest.
func (s *Store) putBlob(digest string, data []byte) error {
	path := s.blob(digest)
	if old, err := os.ReadFile(path); err == nil && Digest(old) == digest {
		return nil
	}
	if err := writeDurably(path, data); err != nil {
		return fmt.Errorf("release: keeping the model: %w", err)
	}
	return nil
}

func (s *Store) blob(digest string) string { return filepath.Join(s.dir, "blobs", digest) }

// activeBytes reads the active model of name and checks its digest again: the bytes returned are the ones that were hashed.
// Without an active release both results are nil.
func (s *Store) activeBytes(name string, limit int64) (*Record, []byte, error) {
	m := s.state.Models[name]
	if m == nil || m.Active == nil {
		return nil, nil, nil
	}
	data, err := readFile(filepath.Join(s.dir, "blobs"), m.Active.Digest, limit)
	if err != nil {
		return m.Active, nil, fmt.Errorf("release: model %q %s: %w", name, m.Active.Version, err)
	}
	if got := Digest(data); got != m.Active.Digest {
		return m.Active, nil, fmt.Errorf("release: model %q %s: kept file has SHA-256 %s…, expected %s…", name, m.Active.Version, got[:12], m.Active.Digest[:12])
	}
	return m.Active, data, nil
}

// dropActive takes a model that cannot be used any more out of the state.
func (s *Store) dropActive(name, reason string) error {
	m := s.model(name)
	if m.Active != nil {
		s.state.Handled[m.Active.Release] = handled{Outcome: "refused", Reason: reason, At: time.Now().UTC()}
		m.Active = nil
	}
	return s.save()
}

// sweep removes blobs that no model names.
func (s *Store) sweep() error {
	keep := map[string]bool{}
	for _, m := range s.state.Models {
		for _, r := range []*Record{m.Active, m.Previous} {
			if r != nil {
				keep[r.Digest] = true
			}
		}
		if m.Pending != nil {
			keep[m.Pending.Digest] = true
		}
	}
	ents, err := os.ReadDir(filepath.Join(s.dir, "blobs"))
	if err != nil {
		return fmt.Errorf("release: sweeping kept models: %w", err)
	}
	names := make([]string, 0, len(ents))
	for _, e := range ents {
		names = append(names, e.Name())
	}
	sort.Strings(names)
	for _, n := range names {
		if !keep[n] {
			if err := os.Remove(filepath.Join(s.dir, "blobs", n)); err != nil {
				return fmt.Errorf("release: sweeping kept models: %w", err)
			}
		}
	}
	return nil
}

// writeDurably replaces path as a whole: after a power cut it holds the old bytes or the new ones.
func writeDurably(path string, data []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails harmlessly once renamed
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
