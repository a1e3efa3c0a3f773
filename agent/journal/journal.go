package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"wayside/hal"
)

// ErrLocked: another process writes this journal.
var ErrLocked = errors.New("in use by another process")

const (
	suffix     = ".wsj"
	minSegment = 16 << 10
)

// File is what a journal needs of an open segment; *os.File has all but Datasync. Tests give one that fails or is slow.
type File interface {
	WriteAt(b []byte, off int64) (int, error)
	Truncate(size int64) error
	Datasync() error // returns once everything written is on the disk
	Close() error
}

// Options of Open.
type Options struct {
	MaxBytes int64 // budget for all segments together; the oldest are deleted to keep it. Default 16 MiB
	Segments int   // how many segments share it, at least 2. Default 8
	// Ring allocates each segment in full when it is made and writes the oldest anew when all are full: an append then needs no free
	// space and changes no metadata of the file system.
	Ring   bool
	Clock  hal.Clock
	BootID string // 32 hexadecimal digits or a UUID; default: the kernel's
	// Head, if set, gives a record to put first into every new segment, so that a reader can do without the deleted ones. It is called
	// inside Append and must not call the journal.
	Head func() (kind string, v any)
	// OpenFile opens a segment for reading and writing; default: the file system.
	OpenFile func(path string, flag int) (File, error)
}

// Journal is open for appending. Its methods are safe for concurrent use; Append does not wait for a Sync in progress,
// except when a segment is full.
type Journal struct {
	dir    string
	o      Options
	bootID [16]byte
	size   int64 // of one segment
	lock   *os.File

	mu       sync.Mutex
	f        File
	path     string
	off      int64
	seq      uint64 // of the last record
	segments []segment
	renew    bool // a sync failed: what it covered is in doubt, go on in a fresh segment
	buf      []byte
	closed   bool

	syncMu sync.Mutex // held while a file is being synced, and while the current file is exchanged; taken after mu, never before it
	damage []Damage
}

type segment struct {
	path  string
	first uint64
	size  int64
}

type osFile struct{ *os.File }

// Datasync is fdatasync.
func (f osFile) Datasync() error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func openOS(path string, flag int) (File, error) {
	f, err := os.OpenFile(path, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Open opens the journal in dir, made if it is absent, finds its end and cuts a torn tail. Damage tells what it found. One process at a time has
// it open: ErrLocked for the others.
func Open(dir string, o Options) (*Journal, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = 16 << 20
	}
	if o.Segments == 0 {
		o.Segments = 8
	}
	if o.OpenFile == nil {
		o.OpenFile = openOS
	}
	if o.Clock == nil {
		o.Clock = hal.RealClock()
	}
	j := &Journal{dir: dir, o: o, size: o.MaxBytes / int64(max(o.Segments, 2))}
	if j.size < minSegment {
		return nil, fmt.Errorf("journal: %s: a budget of %d bytes gives segments of %d, at least %d are needed", dir, o.MaxBytes, j.size, minSegment)
	}
	if err := j.setBootID(o.BootID); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := j.flock(); err != nil {
		return nil, err
	}
	if err := j.recover(); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

func (j *Journal) setBootID(id string) error {
	if id == "" {
		b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			return fmt.Errorf("journal: boot id: %w", err)
		}
		id = strings.TrimSpace(string(b))
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(raw) != 16 {
		return fmt.Errorf("journal: %q is no boot id", id)
	}
	copy(j.bootID[:], raw)
	return nil
}

// BootID is the id that new records carry.
func (j *Journal) BootID() string { return hex.EncodeToString(j.bootID[:]) }

func (j *Journal) flock() error {
	f, err := os.OpenFile(filepath.Join(j.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return fmt.Errorf("journal: %s: %w", j.dir, err)
	}
	j.lock = f
	return nil
}

// list finds the segments of a journal, oldest first.
func list(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var out []segment
	for _, e := range entries {
		hexSeq, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || len(hexSeq) != 16 {
			continue
		}
		first, err := strconv.ParseUint(hexSeq, 16, 64)
		if err != nil {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted by the writer just now
		} else if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		out = append(out, segment{filepath.Join(dir, e.Name()), first, info.Size()})
	}
	sort.Slice(out, func(a, b int) bool { return out[a].first < out[b].first })
	return out, nil
}

// recover finds the end of the newest segment and goes on there.
func (j *Journal) recover() error {
	all, err := list(j.dir)
	if err != nil {
		return err
	}
	for _, s := range all {
		info, err := scanFile(s, nil)
		if err != nil {
			// A crash between making a segment and writing its header leaves one without; so does a damaged header. Its name still reserves
			// its first seq, and it is kept for whoever wants to look, until the budget deletes it.
			j.damage = append(j.damage, Damage{s.path, 0, s.size, false, err.Error()})
			j.seq = max(j.seq, s.first-1)
			j.segments = append(j.segments, s)
			j.renew = true
			continue
		}
		j.damage = append(j.damage, info.damage...)
		j.seq = max(j.seq, info.last)
		j.segments = append(j.segments, s)
		j.off, j.renew = info.end, false
	}
	if len(all) == 0 || j.renew {
		j.renew = true // the first Append makes a segment
		return nil
	}
	newest := all[len(all)-1]
	f, err := j.o.OpenFile(newest.path, os.O_RDWR)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.f, j.path = f, newest.path
	if !j.o.Ring && newest.size > j.off {
		if err := f.Truncate(j.off); err != nil {
			return fmt.Errorf("journal: %s: cut the torn tail: %w", newest.path, err)
		}
	}
	return nil
}

func scanFile(s segment, fn func(Record) error) (segmentInfo, error) {
	if s.size > maxSegment {
		return segmentInfo{}, fmt.Errorf("journal: %s: %d bytes, a segment has at most %d", s.path, s.size, maxSegment)
	}
	b, err := os.ReadFile(s.path)
	if err != nil {
		return segmentInfo{}, fmt.Errorf("journal: %w", err)
	}
	return scanSegment(s.path, b, fn)
}

// Damage is what Open found.
func (j *Journal) Damage() []Damage { return j.damage }

// Append writes a record and returns its number. It is then in the page cache: it survives the process, not a power cut. v is encoded as
// JSON. On an error nothing was appended, and the next Append may succeed.
func (j *Journal) Append(kind string, v any) (uint64, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return 0, fmt.Errorf("journal: encode %s: %w", kind, err)
	}
	if len(kind) > 255 || len(kind)+len(data) > MaxRecord {
		return 0, fmt.Errorf("journal: record %.20q of %d bytes is above %d", kind, len(data), MaxRecord)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return 0, fmt.Errorf("journal: %s: %w", j.dir, os.ErrClosed)
	}
	need := int64(recordHeader + len(kind) + len(data))
	if j.f == nil || j.renew || j.off+need > j.size && j.off > segmentHeader {
		if err := j.rotate(); err != nil {
			return 0, err
		}
		if j.o.Head != nil {
			hk, hv := j.o.Head()
			head, err := json.Marshal(hv)
			if err != nil {
				return 0, fmt.Errorf("journal: encode %s: %w", hk, err)
			}
			if err := j.write(hk, head); err != nil {
				return 0, err
			}
		}
	}
	if err := j.write(kind, data); err != nil {
		return 0, err
	}
	return j.seq, nil
}

// write puts a record at the end of the current segment.
func (j *Journal) write(kind string, data []byte) error {
	c := j.o.Clock
	j.buf = encodeRecord(j.buf[:0], j.seq+1, c.Boot(), c.Now(), j.bootID, kind, data)
	n := int64(len(j.buf))
	if j.o.Ring {
		var zeros [endMark]byte
		j.buf = append(j.buf, zeros[:max(0, min(endMark, j.size-j.off-n))]...)
	}
	if n, err := j.f.WriteAt(j.buf, j.off); err != nil {
		if n > 0 && !j.o.Ring {
			// If this fails too, the next append overwrites the part, and a crash before that leaves a torn tail, which Open cuts.
			_ = j.f.Truncate(j.off)
		}
		return fmt.Errorf("journal: append to %s: %w", j.path, err)
	}
	j.seq++
	j.off += n
	if cap(j.buf) > 16<<10 {
		j.buf = nil
	}
	return nil
}

// rotate ends the current segment and starts the next.
func (j *Journal) rotate() error {
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	if j.f != nil {
		if err := j.f.Datasync(); err != nil && !j.renew {
			j.renew = true
			return fmt.Errorf("journal: sync %s: %w", j.path, err)
		}
		if err := j.f.Close(); err != nil && !j.renew {
			return fmt.Errorf("journal: close %s: %w", j.path, err)
		}
		j.f = nil
	}
	path := filepath.Join(j.dir, fmt.Sprintf("%016x%s", j.seq+1, suffix))
	recycled, err := j.makeRoom(path)
	if err != nil {
		return err
	}
	f, err := j.o.OpenFile(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	fail := func(err error) error {
		_ = f.Close()
		if !recycled {
			_ = os.Remove(path)
		}
		return fmt.Errorf("journal: new segment %s: %w", path, err)
	}
	if j.o.Ring && !recycled {
		// Zeros are written, not merely reserved: a later fdatasync then has no extents to convert.
		zeros := make([]byte, 16<<10)
		for at := int64(0); at < j.size; at += int64(len(zeros)) {
			if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), j.size-at)], at); err != nil {
				return fail(err)
			}
		}
	}
	if !j.o.Ring {
		if err := f.Truncate(0); err != nil {
			return fail(err)
		}
	}
	head := append(bytes.Clone(segmentMagic), formatVersion, 0, 0, 0)
	head = binary.LittleEndian.AppendUint64(head, j.seq+1)
	if j.o.Ring {
		head = append(head, make([]byte, endMark)...)
	}
	if _, err := f.WriteAt(head, 0); err != nil {
		return fail(err)
	}
	if err := f.Datasync(); err != nil {
		return fail(err)
	}
	if err := syncDir(j.dir); err != nil {
		return fail(err)
	}
	if n := len(j.segments); n == 0 || j.segments[n-1].path != path {
		j.segments = append(j.segments, segment{path, j.seq + 1, j.size})
	}
	j.f, j.path, j.off, j.renew = f, path, segmentHeader, false
	return nil
}

// makeRoom deletes the oldest segments until one more fits the budget. In a ring the last one to go becomes the new one, if its size is right.
func (j *Journal) makeRoom(path string) (recycled bool, err error) {
	for len(j.segments) > 0 {
		total := j.size
		for _, s := range j.segments {
			total += max(s.size, j.size)
		}
		if total <= j.o.MaxBytes {
			return recycled, nil
		}
		oldest := j.segments[0]
		if j.o.Ring && oldest.size == j.size && !recycled {
			err, recycled = os.Rename(oldest.path, path), true
		} else {
			err = os.Remove(oldest.path)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, fmt.Errorf("journal: %w", err)
		}
		j.segments = j.segments[1:]
	}
	return recycled, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Seq is the number of the last record.
func (j *Journal) Seq() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seq
}

// Sync returns once every record appended before the call is on the disk. After an error it is not known which of them are; the
// journal goes on in a new segment, since a later sync of the same file could succeed without them.
func (j *Journal) Sync() error {
	j.mu.Lock()
	f, path := j.f, j.path
	if j.closed {
		j.mu.Unlock()
		return fmt.Errorf("journal: %s: %w", j.dir, os.ErrClosed)
	}
	if f == nil {
		j.mu.Unlock()
		return nil
	}
	j.syncMu.Lock() // taken before mu is given back, so that the file is not exchanged in between
	j.mu.Unlock()
	err := f.Datasync()
	j.syncMu.Unlock()
	if err != nil {
		j.mu.Lock()
		j.renew = true
		j.mu.Unlock()
		return fmt.Errorf("journal: sync %s: %w", path, err)
	}
	return nil
}

// Close syncs and closes. A second Close does nothing.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	var errs []error
	if j.f != nil {
		errs = append(errs, j.f.Datasync(), j.f.Close())
	}
	if j.lock != nil {
		errs = append(errs, j.lock.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("journal: close %s: %w", j.dir, err)
	}
	return nil
}

// Read gives every record in dir to fn, all segments merged in order of seq, and returns the places that could not be read. It may run while the
// journal is being written: it then sees a prefix of what was appended before it ends. fn's error ends it and is returned.
func Read(dir string, fn func(Record) error) ([]Damage, error) {
	all, err := list(dir)
	if err != nil {
		return nil, err
	}
	var damage []Damage
	last := uint64(0)
	for i, s := range all {
		info, err := scanFile(s, func(r Record) error {
			if r.Seq <= last {
				return nil // the segment was recycled while it was read
			}
			last = r.Seq
			return fn(r)
		})
		if info.first == 0 && err != nil { // not a segment at all, or gone
			if !errors.Is(err, os.ErrNotExist) {
				damage = append(damage, Damage{s.path, 0, s.size, false, err.Error()})
			}
			continue
		}
		for _, d := range info.damage {
			d.Torn = d.Torn && i == len(all)-1
			damage = append(damage, d)
		}
		if err != nil {
			return damage, err
		}
	}
	return damage, nil
}
