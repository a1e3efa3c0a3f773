package load

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wayside/graph"
	"wayside/graph/graphtest"
)

// convModels returns the models of the convolution and matrix cases: layers of every type, with weights in panels and without.
func convModels(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, c := range graphtest.Cases(t, "conv", "matmul") {
		all = append(all, c.Model)
	}
	return all
}

// run loads a model with a cache and returns its outputs for a fixed input, and what the cache had to say.
func run(t testing.TB, model []byte, c *Cache) (outputs []byte, notes []string) {
	t.Helper()
	o := Options{}
	if c != nil {
		own := *c
		own.Note = func(err error) { notes = append(notes, err.Error()) }
		o.Cache = &own
	}
	p, err := Bytes(slices.Clone(model), "model", o)
	if err != nil {
		t.Error(err)
		return nil, notes
	}
	s := p.NewSession()
	for i := range p.Inputs() {
		in := s.Input(i).Data
		for k := range in {
			in[k] = byte(k*7) & 0x3e
		}
	}
	if err := s.Run(); err != nil { // an index out of range
		return []byte(err.Error()), notes
	}
	for i := range p.Outputs() {
		outputs = append(outputs, s.Output(i).Data...)
	}
	return outputs, notes
}

// cached returns a model with panels, its outputs, a cache that holds them, and their file.
func cached(t testing.TB) (model, want []byte, c *Cache, path string) {
	t.Helper()
	for _, m := range convModels(t) {
		c := &Cache{Dir: t.TempDir(), Kernels: "test"}
		out, notes := run(t, m, c)
		if files := panelFiles(t, c); len(files) == 1 && len(out) > 8 && len(notes) == 0 {
			return m, out, c, files[0]
		}
	}
	t.Fatal("no model has packed weights")
	return nil, nil, nil, ""
}

func panelFiles(t testing.TB, c *Cache) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(c.Dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCacheGivesTheSame(t *testing.T) {
	c := &Cache{Dir: t.TempDir(), Kernels: "test"}
	kept := 0
	for i, m := range convModels(t) {
		c.Dir = filepath.Join(c.Dir, fmt.Sprint(i)) // a folder that is not there
		want, _ := run(t, m, nil)
		for range 2 {
			if got, notes := run(t, m, c); !bytes.Equal(got, want) || len(notes) > 0 {
				t.Fatalf("case %d differs with packed weights from a file, or something is wrong with it: %q", i, notes)
			}
		}
		kept += len(panelFiles(t, c))
		c.Dir = filepath.Dir(c.Dir)
	}
	if kept < 10 {
		t.Fatalf("%d models have packed weights", kept)
	}
}

// TestCacheIsUsed changes a weight in the file and mends its checksum: the outputs must show it.
func TestCacheIsUsed(t *testing.T) {
	model, want, c, path := cached(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key := [sha256.Size]byte(b[16:48])
	panels, err := parsePanels(b, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range panels {
		for i := range p {
			p[i] = 1
		}
	}
	writeFile(t, path, panels, key)
	got, notes := run(t, model, c)
	if bytes.Equal(got, want) || len(notes) > 0 {
		t.Fatalf("the file's panels are not used: %q", notes)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	run(t, model, c)
	if after, err := os.Stat(path); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Fatal("a file that serves is written again")
	}
}

func writeFile(t *testing.T, path string, panels map[panelKey][]byte, key [sha256.Size]byte) {
	t.Helper()
	var b bytes.Buffer
	if err := writePanels(&b, key, panels, 1<<30); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCacheDamaged damages the file in every way: it must be noticed, told, and mended.
func TestCacheDamaged(t *testing.T) {
	model, want, c, path := cached(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got, notes := run(t, model, c)
		if !bytes.Equal(got, want) || len(notes) != 1 || !strings.Contains(notes[0], path) {
			t.Fatalf("%s: the outputs differ, or it is not told once: %q", what, notes)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, whole) {
			t.Fatalf("%s: the file is not mended: %v", what, err)
		}
	}
	for i := 0; i < len(whole); i += 97 {
		b := slices.Clone(whole)
		b[i] ^= 0x10
		try(fmt.Sprintf("byte %d of %d changed", i, len(whole)), b)
	}
	for _, n := range []int{0, 1, 7, panelHead - 1, panelHead, panelHead + 1, len(whole) / 2, len(whole) - 1} {
		try(fmt.Sprintf("%d bytes of %d", n, len(whole)), whole[:n])
	}
	try("longer", append(slices.Clone(whole), 0))
	old := slices.Clone(whole)
	old[8]++
	try("another version", old)
	panels, err := parsePanels(whole, [sha256.Size]byte(whole[16:48]))
	if err != nil {
		t.Fatal(err)
	}
	var other bytes.Buffer
	if err := writePanels(&other, [sha256.Size]byte{1}, panels, 1<<30); err != nil {
		t.Fatal(err)
	}
	try("of another model", other.Bytes())
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, notes := run(t, model, c); !bytes.Equal(got, want) || len(notes) == 0 {
		t.Fatalf("a folder in the file's place: the outputs differ or nothing is said")
	}
}

func TestCacheKeys(t *testing.T) {
	model, want, c, _ := cached(t)
	if got, notes := run(t, model, &Cache{Dir: c.Dir, Kernels: "other"}); !bytes.Equal(got, want) || len(notes) > 0 || len(panelFiles(t, c)) != 2 {
		t.Fatalf("other kernels must have a file of their own: %q, %q", panelFiles(t, c), notes)
	}
	a := c.open(model, map[string][]int{"x": {1, 2}, "y": {3}, "z": {4}})
	for range 20 {
		if b := c.open(model, map[string][]int{"z": {4}, "y": {3}, "x": {1, 2}}); b.path != a.path {
			t.Fatal("the key depends on the order of a map")
		}
	}
	if b := c.open(model, map[string][]int{"x": {1, 3}, "y": {3}, "z": {4}}); b.path == a.path {
		t.Fatal("the key does not depend on the shapes")
	}
}

// full is a disk that is full after some bytes.
type full struct {
	*os.File
	left int
}

func (f *full) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errors.New("no space left")
	}
	return f.File.Write(b)
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	model, want, filled, path := cached(t)
	size, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for left := range 10 {
		left := left * int(size.Size()) / 10
		c := &Cache{Dir: t.TempDir(), Kernels: "test", create: func(dir string) (temporary, error) {
			f, err := os.CreateTemp(dir, "new-*"+panelSuffix)
			return &full{f, left}, err
		}}
		if got, notes := run(t, model, c); !bytes.Equal(got, want) || len(notes) != 1 || !strings.Contains(notes[0], "no space left") || len(panelFiles(t, c)) > 0 {
			t.Fatalf("a disk full after %d bytes: outputs differ, or %q is said, or %q is left", left, notes, panelFiles(t, c))
		}
	}
	c := &Cache{Dir: filepath.Join(path, "x"), Kernels: "test"} // below a file
	if got, notes := run(t, model, c); !bytes.Equal(got, want) || len(notes) == 0 {
		t.Fatalf("a folder that cannot be made: outputs differ, or %q is said", notes)
	}
	if os.Getuid() == 0 {
		return // root writes to read-only folders
	}
	if err := os.Chmod(filled.Dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filled.Dir, 0o700) //nolint:errcheck // the folder goes anyway
	if got, notes := run(t, model, filled); !bytes.Equal(got, want) || len(notes) != 0 {
		t.Fatalf("a read-only folder with the file: outputs differ, or %q is said", notes)
	}
	if got, notes := run(t, model, &Cache{Dir: filled.Dir, Kernels: "other"}); !bytes.Equal(got, want) || len(notes) != 1 {
		t.Fatalf("a read-only folder: outputs differ, or %q is said", notes)
	}
}

// TestCacheAtOnce loads one model many times at once into one folder: every load is right, and one whole file remains.
func TestCacheAtOnce(t *testing.T) {
	model, want, c, path := cached(t)
	results := make(chan string)
	for i := range 8 {
		go func() {
			for range 20 {
				if i%2 == 0 {
					_ = os.Remove(path)
				}
				if got, notes := run(t, model, c); !bytes.Equal(got, want) || len(notes) > 0 {
					results <- fmt.Sprintf("outputs differ, or something is said: %q", notes)
					return
				}
			}
			results <- ""
		}()
	}
	for range 8 {
		if r := <-results; r != "" {
			t.Error(r)
		}
	}
	run(t, model, c)
	if files := panelFiles(t, c); len(files) != 1 || files[0] != path {
		t.Fatalf("%q remain", files)
	}
}

func TestCacheThins(t *testing.T) {
	model, _, c, path := cached(t)
	old := time.Now().Add(-2 * time.Hour)
	for i := range 2*keptFiles + 2 {
		name := fmt.Sprintf("%064x%s", i, panelSuffix)
		if i >= 2*keptFiles {
			name = fmt.Sprintf("new-%d%s", i, panelSuffix)
		}
		p := filepath.Join(c.Dir, name)
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if i != 2*keptFiles {
			if err := os.Chtimes(p, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	stranger := filepath.Join(c.Dir, "notes"+panelSuffix)
	if err := os.WriteFile(stranger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	run(t, model, c)
	files := panelFiles(t, c)
	if len(files) != keptFiles+2 || !slices.Contains(files, path) || !slices.Contains(files, stranger) {
		t.Fatalf("%d files remain, want the %d newest, one that is being written, and one that is not ours: %q", len(files), keptFiles, files)
	}
}

func TestPanelsThatAreTooLarge(t *testing.T) {
	if err := writePanels(io.Discard, [sha256.Size]byte{}, map[panelKey][]byte{{size: 100}: make([]byte, 100)}, 100); err == nil {
		t.Fatal("a file beyond the limit is written")
	}
}

// FuzzPanels parses any bytes as a file; with a right checksum too, so that the list is reached. What is accepted must come out again.
func FuzzPanels(f *testing.F) {
	var b bytes.Buffer
	key := [sha256.Size]byte{1, 2, 3}
	if err := writePanels(&b, key, map[panelKey][]byte{{"s8/avx2 4 4 1", 16, 1, 2, 100}: make([]byte, 100), {"f32/avx2 1 1", 4, 3, 4, 7}: make([]byte, 7)}, 1<<20); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:100])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = parsePanels(b, key)
		if len(b) < panelHead {
			return
		}
		mendPanels(b, key)
		panels, err := parsePanels(b, key)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writePanels(&again, key, panels, 1<<40); err != nil {
			t.Fatal(err)
		}
		if other, err := parsePanels(again.Bytes(), key); err != nil || len(other) != len(panels) {
			t.Fatalf("%d panels are written and %d read: %v", len(panels), len(other), err)
		}
	})
}

var _ graph.Panels = (*panelStore)(nil)

// mendPanels makes head and checksum of a file right.
func mendPanels(b []byte, key [sha256.Size]byte) {
	copy(b, panelMagic)
	binary.LittleEndian.PutUint32(b[8:], panelVersion)
	copy(b[16:48], key[:])
	binary.LittleEndian.PutUint64(b[48:], uint64(len(b)))
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[16:], castagnoli))
}
