package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wayside/hal/haltest"
)

const bootA, bootB = "0123456789abcdef0123456789abcdef", "fedcba98-7654-3210-fedc-ba9876543210"

type note struct {
	N    int    `json:"n"`
	Text string `json:"text,omitempty"`
}

func open(t *testing.T, dir string, o Options) *Journal {
	t.Helper()
	if o.Clock == nil {
		o.Clock = haltest.NewClock()
	}
	if o.BootID == "" {
		o.BootID = bootA
	}
	j, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func add(t *testing.T, j *Journal, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if seq, err := j.Append("note", note{N: n}); err != nil || seq == 0 {
			t.Fatal(seq, err)
		}
	}
}

// numbers reads the n of every note.
func numbers(t *testing.T, dir string) (ns []int, damage []Damage) {
	t.Helper()
	last := uint64(0)
	damage, err := Read(dir, func(r Record) error {
		if r.Seq <= last {
			t.Errorf("seq %d after %d", r.Seq, last)
		}
		last = r.Seq
		if r.Kind != "note" {
			return nil
		}
		var x note
		if err := json.Unmarshal(r.Data, &x); err != nil {
			t.Error(err)
		}
		ns = append(ns, x.N)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ns, damage
}

func span(ns []int) string {
	if len(ns) == 0 {
		return "none"
	}
	for i := 1; i < len(ns); i++ {
		if ns[i] != ns[i-1]+1 {
			return fmt.Sprint(ns)
		}
	}
	return fmt.Sprintf("%d-%d", ns[0], ns[len(ns)-1])
}

func segmentsOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestAppendReadReopen(t *testing.T) {
	for _, ring := range []bool{false, true} {
		dir, clock := t.TempDir(), haltest.NewClock()
		j := open(t, dir, Options{Ring: ring, MaxBytes: 256 << 10, Segments: 4, Clock: clock})
		add(t, j, 1, 10)
		if err := errors.Join(j.Sync(), j.Close(), j.Close()); err != nil {
			t.Fatal(err)
		}
		clock.Advance(5 * time.Second)
		j = open(t, dir, Options{Ring: ring, MaxBytes: 256 << 10, Segments: 4, Clock: clock, BootID: bootB})
		add(t, j, 11, 20)
		if j.Seq() != 20 {
			t.Errorf("ring %v: seq %d, want 20", ring, j.Seq())
		}
		if ns, damage := numbers(t, dir); span(ns) != "1-20" || len(damage) > 0 { // while it is open
			t.Errorf("ring %v: read %s, damage %v", ring, span(ns), damage)
		}
		_, err := Read(dir, func(r Record) error {
			wantBoot, wantAt := bootA, 1000*time.Second
			if r.Seq > 10 {
				wantBoot, wantAt = strings.ReplaceAll(bootB, "-", ""), 1005*time.Second
			}
			if r.BootID != wantBoot || r.Boot != wantAt || !r.Wall.Equal(clock.Now().Add(r.Boot-1005*time.Second)) {
				return fmt.Errorf("record %d: boot id %s, boot %s, wall %s", r.Seq, r.BootID, r.Boot, r.Wall)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if _, err := Open(dir, Options{BootID: bootA}); !errors.Is(err, ErrLocked) {
			t.Errorf("second writer: %v", err)
		}
	}
}

func TestBudgetAndHead(t *testing.T) {
	for _, ring := range []bool{false, true} {
		dir := t.TempDir()
		heads := 0
		j := open(t, dir, Options{Ring: ring, MaxBytes: 64 << 10, Segments: 4, Head: func() (string, any) {
			heads++
			return "head", note{N: heads}
		}})
		add(t, j, 1, 5000)
		var size int64
		for _, f := range segmentsOf(t, dir) {
			st, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			size += st.Size()
			first := ""
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := scanSegment(f, b, func(r Record) error {
				if first == "" {
					first = r.Kind
				}
				return nil
			}); err != nil || first != "head" {
				t.Errorf("ring %v: %s begins with %q, %v", ring, f, first, err)
			}
		}
		if size > 64<<10 || ring && size != 64<<10 {
			t.Errorf("ring %v: %d bytes on disk, budget %d", ring, size, 64<<10)
		}
		if ns, damage := numbers(t, dir); len(ns) < 400 || ns[len(ns)-1] != 5000 || strings.HasPrefix(span(ns), "[") || len(damage) > 0 {
			t.Errorf("ring %v: read %s, damage %v", ring, span(ns), damage)
		}
		// A ring that wraps around is opened at its end, not at what an earlier round left there.
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = open(t, dir, Options{Ring: ring, MaxBytes: 64 << 10, Segments: 4})
		if len(j.Damage()) > 0 {
			t.Errorf("ring %v: damage %v", ring, j.Damage())
		}
		add(t, j, 5001, 5001)
		if ns, _ := numbers(t, dir); ns[len(ns)-1] != 5001 || strings.HasPrefix(span(ns), "[") {
			t.Errorf("ring %v: after reopening %s", ring, span(ns))
		}
	}
}

// TestTornTail cuts the newest segment at every byte of its last record.
func TestTornTail(t *testing.T) {
	src := t.TempDir()
	j := open(t, src, Options{})
	add(t, j, 1, 3)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	file := segmentsOf(t, src)[0]
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rec, err := decodeRecord(whole[segmentHeader:])
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(whole) - rec; cut < len(whole); cut++ {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if ns, damage := numbers(t, dir); span(ns) != "1-2" || cut > len(whole)-rec && (len(damage) != 1 || !damage[0].Torn) {
			t.Fatalf("cut at %d: read %s, damage %v", cut, span(ns), damage)
		}
		j := open(t, dir, Options{})
		add(t, j, 4, 4)
		if ns, damage := numbers(t, dir); fmt.Sprint(ns) != "[1 2 4]" || len(damage) > 0 || j.Seq() != 3 {
			t.Fatalf("cut at %d: after reopening %v, damage %v, seq %d", cut, ns, damage, j.Seq())
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamageInTheMiddle flips every byte of a record that others follow.
func TestDamageInTheMiddle(t *testing.T) {
	for _, ring := range []bool{false, true} {
		src := t.TempDir()
		o := Options{Ring: ring, MaxBytes: 32 << 10, Segments: 2}
		j := open(t, src, o)
		add(t, j, 1, 4)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		file := segmentsOf(t, src)[0]
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, rec, err := decodeRecord(whole[segmentHeader:])
		if err != nil {
			t.Fatal(err)
		}
		for at := segmentHeader + rec; at < segmentHeader+2*rec; at++ {
			dir := t.TempDir()
			bad := append([]byte(nil), whole...)
			bad[at] ^= 0x5a
			path := filepath.Join(dir, filepath.Base(file))
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			ns, damage := numbers(t, dir)
			if fmt.Sprint(ns) != "[1 3 4]" || len(damage) != 1 || damage[0].Torn || damage[0].File != path || damage[0].Offset != int64(segmentHeader+rec) || damage[0].Bytes != int64(rec) {
				t.Fatalf("byte %d: read %v, damage %v", at, ns, damage)
			}
			j := open(t, dir, o)
			if len(j.Damage()) != 1 || j.Seq() != 4 {
				t.Fatalf("byte %d: opened with damage %v, seq %d", at, j.Damage(), j.Seq())
			}
			add(t, j, 5, 5)
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			if ns, _ := numbers(t, dir); fmt.Sprint(ns) != "[1 3 4 5]" {
				t.Fatalf("byte %d: after appending %v", at, ns)
			}
		}
	}
}

func TestDamagedHeader(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	add(t, j, 1, 3)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	// A crash between making a segment and writing its header.
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%016x%s", 4, suffix)), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, Options{})
	add(t, j, 4, 6)
	ns, damage := numbers(t, dir)
	if span(ns) != "1-6" || len(j.Damage()) != 1 {
		t.Errorf("read %s, damage %v at reading, %v at opening", span(ns), damage, j.Damage())
	}
}

// faulty is a file system that fails on demand.
type faulty struct {
	mu        sync.Mutex
	space     int64 // bytes that may still be written; negative: no limit
	syncErr   error
	syncPause chan struct{} // if set, a sync waits for it
	inSync    chan struct{} // told when it does
}

type faultyFile struct {
	File
	fs *faulty
}

func (fs *faulty) open(path string, flag int) (File, error) {
	f, err := openOS(path, flag)
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, fs}, nil
}

func (f *faultyFile) WriteAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.space >= 0 && int64(len(b)) > f.fs.space {
		n, err := f.File.WriteAt(b[:f.fs.space], off) // part of it goes out, as on a real full disk
		f.fs.space = 0
		return n, errors.Join(err, unix.ENOSPC)
	}
	if f.fs.space >= 0 {
		f.fs.space -= int64(len(b))
	}
	return f.File.WriteAt(b, off)
}

func (f *faultyFile) Datasync() error {
	f.fs.mu.Lock()
	pause, in, err := f.fs.syncPause, f.fs.inSync, f.fs.syncErr
	f.fs.mu.Unlock()
	if pause != nil {
		in <- struct{}{}
		<-pause
	}
	return err
}

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	fs := &faulty{space: -1}
	j := open(t, dir, Options{OpenFile: fs.open})
	add(t, j, 1, 3)
	fs.space = 20
	for range 3 {
		if _, err := j.Append("note", note{N: 99}); !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("full disk: %v", err)
		}
	}
	if ns, damage := numbers(t, dir); span(ns) != "1-3" || len(damage) > 0 {
		t.Errorf("after a failed append: %s, damage %v", span(ns), damage)
	}
	fs.space = -1
	add(t, j, 4, 4)
	if ns, damage := numbers(t, dir); span(ns) != "1-4" || len(damage) > 0 {
		t.Errorf("after space came back: %s, damage %v", span(ns), damage)
	}
}

// TestFullDiskAndRing: a ring that has been made needs no space any more.
func TestFullDiskAndRing(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{Ring: true, MaxBytes: 64 << 10, Segments: 4})
	add(t, j, 1, 2000)
	before := segmentsOf(t, dir)
	add(t, j, 2001, 4000)
	if after := segmentsOf(t, dir); len(before) != 4 || len(after) != 4 {
		t.Errorf("%d segments, then %d, want 4 for ever", len(before), len(after))
	}
}

func TestFailedSync(t *testing.T) {
	dir := t.TempDir()
	fs := &faulty{space: -1}
	j := open(t, dir, Options{OpenFile: fs.open})
	add(t, j, 1, 2)
	fs.syncErr = unix.EIO
	if err := j.Sync(); !errors.Is(err, unix.EIO) {
		t.Fatalf("sync: %v", err)
	}
	fs.syncErr = nil
	add(t, j, 3, 3)
	if n := len(segmentsOf(t, dir)); n != 2 {
		t.Errorf("%d segments: the journal went on in a file whose sync failed", n)
	}
	if err := j.Sync(); err != nil {
		t.Error(err)
	}
	if ns, _ := numbers(t, dir); span(ns) != "1-3" {
		t.Errorf("read %s", span(ns))
	}
}

func TestSlowSyncHoldsUpNoAppend(t *testing.T) {
	dir := t.TempDir()
	fs := &faulty{space: -1}
	j := open(t, dir, Options{OpenFile: fs.open})
	add(t, j, 1, 1)
	fs.mu.Lock()
	fs.syncPause, fs.inSync = make(chan struct{}), make(chan struct{}, 1)
	fs.mu.Unlock()
	synced := make(chan error, 1)
	go func() { synced <- j.Sync() }()
	<-fs.inSync
	add(t, j, 2, 100) // would wait for ever
	select {
	case err := <-synced:
		t.Fatal("the sync has ended already: ", err)
	default:
	}
	fs.mu.Lock()
	pause := fs.syncPause
	fs.syncPause = nil
	fs.mu.Unlock()
	close(pause)
	if err := <-synced; err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	if _, err := j.Append("note", note{Text: strings.Repeat("x", MaxRecord)}); err == nil {
		t.Error("a record above the limit was taken")
	}
	if _, err := j.Append("note", func() {}); err == nil {
		t.Error("something that is no JSON was taken")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append("note", note{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	if err := j.Sync(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("sync after close: %v", err)
	}
	for _, o := range []Options{{MaxBytes: 4096, BootID: bootA}, {BootID: "xyz"}} {
		if _, err := Open(t.TempDir(), o); err == nil {
			t.Errorf("options %+v were taken", o)
		}
	}
	stop := errors.New("stop")
	dir := t.TempDir()
	add(t, open(t, dir, Options{}), 1, 3)
	if _, err := Read(dir, func(Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the reader's own error: %v", err)
	}
}

// FuzzScan gives the decoder any bytes: it must neither panic nor give a record that does not hold its checksum, nor one twice.
func FuzzScan(f *testing.F) {
	var good []byte
	good = append(good, segmentMagic...)
	good = append(good, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)
	for n := range 3 {
		good = encodeRecord(good, uint64(n+1), time.Second, time.Unix(1, 0), [16]byte{1}, "note", []byte(`{"n":1}`))
	}
	f.Add(good)
	f.Add(good[:len(good)-5])
	f.Add(append(append([]byte(nil), good...), make([]byte, 64)...))
	broken := append([]byte(nil), good...)
	broken[segmentHeader+5] = 0xff
	f.Add(broken)
	f.Add([]byte("WSJ1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		last := uint64(0)
		info, err := scanSegment("x", b, func(r Record) error {
			if r.Seq <= last && last != 0 {
				t.Fatalf("seq %d after %d", r.Seq, last)
			}
			last = r.Seq
			again, n, err := decodeRecord(b[r.Offset:])
			if err != nil || again.Seq != r.Seq || n < recordHeader {
				t.Fatalf("record at %d does not decode again: %v", r.Offset, err)
			}
			return nil
		})
		if err == nil && (info.end > int64(len(b)) || info.end < segmentHeader) {
			t.Fatalf("end at %d of %d", info.end, len(b))
		}
		covered := int64(0)
		for _, d := range info.damage {
			if d.Offset < covered || d.Bytes <= 0 || d.Offset+d.Bytes > int64(len(b)) {
				t.Fatalf("damage %v of %d bytes", d, len(b))
			}
			covered = d.Offset + d.Bytes
		}
	})
}
