package load

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wayside/graph/tensor"
)

// Cache keeps packed weights in files, one for each model, so that the next load need not pack them. What a file holds is verified and copied; a file that is
// damaged, short or foreign is made anew. Nothing that goes wrong with it is an error of the load. Checksums protect against damage, not against people: who may
// write to the folder may change what models compute.
type Cache struct {
	Dir string // the folder; it is made when it is absent
	// Kernels names the kernels that may run and the version of their panels. Files of another name are not looked at.
	Kernels string
	// Note is told why a file was made anew or could not be kept. May be nil.
	Note func(error)

	create func(dir string) (temporary, error) // of tests; nil for os.CreateTemp
}

// temporary is what Cache asks of a new file.
type temporary interface {
	io.WriteCloser
	Name() string
}

// A file of panels, little endian: magic, version, CRC-32 (Castagnoli) of all that follows, key, size of the file, number of panels; then for each its id's length,
// the weights' length and both checksums, its own length, the id; then the panels, each at a multiple of 64.
//
// CRC-32C has an instruction on every processor that matters, so that checking costs less than reading; SHA-256 would cost some of them more than packing. The name
// of the file is a SHA-256: a model must not be able to bring its panels to another.
const (
	panelMagic   = "WSPANELS"
	panelVersion = 1
	panelHead    = 64
	panelEntry   = 28
	panelAlign   = 64
	panelSuffix  = ".panels"
	keptFiles    = 16 // of one folder; the oldest go when there are more
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// panelKey names a panel by its content: how it is packed, and what.
type panelKey struct {
	id        string
	weights   int
	sum, ieee uint32 // two checksums of the weights, so that no two of a model are alike by chance
	size      int
}

// panelStore is the graph.Panels of one load.
type panelStore struct {
	cache *Cache
	path  string
	key   [sha256.Size]byte
	limit int64               // of the file
	known map[panelKey][]byte // from the file
	used  map[panelKey][]byte // that this load has asked for
	made  int                 // of those, not from the file
}

// open reads the panels of a model, if there are any.
func (c *Cache) open(data []byte, shapes map[string][]int) *panelStore {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s %d %q %d\n", panelMagic, panelVersion, c.Kernels, len(data))
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		_, _ = fmt.Fprintf(h, "%q %d\n", name, shapes[name])
	}
	_, _ = h.Write(data)
	s := &panelStore{cache: c, used: map[panelKey][]byte{}, limit: 8*int64(len(data)) + 16<<20}
	h.Sum(s.key[:0])
	s.path = filepath.Join(c.Dir, hex.EncodeToString(s.key[:])+panelSuffix)
	file, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s
	}
	if err == nil {
		s.known, err = s.read(file)
		_ = file.Close()
	}
	if err != nil {
		c.note(fmt.Errorf("load: the packed weights in %s are made anew: %w", s.path, err))
	}
	return s
}

func (c *Cache) note(err error) {
	if c.Note != nil {
		c.Note(err)
	}
}

// read reads a file into private memory: a mapped one that somebody cuts short would end the process.
func (s *panelStore) read(file *os.File) (map[panelKey][]byte, error) {
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() < panelHead || st.Size() > s.limit {
		return nil, fmt.Errorf("it is no file of %d to %d bytes", panelHead, s.limit)
	}
	b := tensor.Aligned(int(st.Size()))
	if _, err := io.ReadFull(file, b); err != nil {
		return nil, err
	}
	return parsePanels(b, s.key)
}

// parsePanels checks a whole file; the panels are views of it.
func parsePanels(b []byte, key [sha256.Size]byte) (map[panelKey][]byte, error) {
	le := binary.LittleEndian
	switch {
	case len(b) < panelHead || string(b[:8]) != panelMagic || le.Uint32(b[8:]) != panelVersion:
		return nil, errors.New("it is not of this version")
	case crc32.Checksum(b[16:], castagnoli) != le.Uint32(b[12:]):
		return nil, errors.New("its checksum is wrong")
	case !bytes.Equal(b[16:48], key[:]):
		return nil, errors.New("it belongs to another model or other kernels")
	case le.Uint64(b[48:]) != uint64(len(b)):
		return nil, errors.New("its length is wrong")
	}
	wrong := errors.New("its list of panels is wrong")
	count, list := le.Uint64(b[56:]), b[panelHead:]
	if count > uint64(len(list)/panelEntry) {
		return nil, wrong
	}
	keys := make([]panelKey, count)
	for i := range keys {
		if len(list) < panelEntry {
			return nil, wrong
		}
		n, weights, size := uint64(le.Uint32(list)), le.Uint64(list[4:]), le.Uint64(list[20:])
		if n > uint64(len(list)-panelEntry) || weights > 1<<40 || size > uint64(len(b)) {
			return nil, wrong
		}
		keys[i] = panelKey{string(list[panelEntry : panelEntry+n]), int(weights), le.Uint32(list[12:]), le.Uint32(list[16:]), int(size)}
		list = list[panelEntry+n:]
	}
	at := len(b) - len(list)
	known := make(map[panelKey][]byte, count)
	for _, k := range keys {
		at = (at + panelAlign - 1) &^ (panelAlign - 1)
		if at > len(b) || k.size > len(b)-at {
			return nil, wrong
		}
		known[k] = b[at : at+k.size : at+k.size]
		at += k.size
	}
	return known, nil
}

// Panel implements graph.Panels.
func (s *panelStore) Panel(id string, weights []byte, n int) ([]byte, bool) {
	if id == "" {
		return tensor.Aligned(n), false
	}
	k := panelKey{id, len(weights), crc32.Checksum(weights, castagnoli), crc32.ChecksumIEEE(weights), n}
	if b, ok := s.known[k]; ok {
		s.used[k] = b
		return b, true
	}
	b := tensor.Aligned(n)
	s.used[k] = b
	s.made++
	return b, false
}

// save keeps what the load has packed, unless the file has just that.
func (s *panelStore) save() {
	if s.made == 0 && len(s.used) == len(s.known) || len(s.used) == 0 {
		return
	}
	if err := s.write(); err != nil {
		s.cache.note(fmt.Errorf("load: packed weights are not kept: %w", err))
		return
	}
	s.cache.thin()
}

// write writes the file whole or not at all.
func (s *panelStore) write() error {
	if err := os.MkdirAll(s.cache.Dir, 0o700); err != nil {
		return err
	}
	create := s.cache.create
	if create == nil {
		create = func(dir string) (temporary, error) { return os.CreateTemp(dir, "new-*"+panelSuffix) }
	}
	file, err := create(s.cache.Dir)
	if err != nil {
		return err
	}
	err = errors.Join(writePanels(file, s.key, s.used, s.limit), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), s.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// writePanels writes panels in the order of their keys.
func writePanels(w io.Writer, key [sha256.Size]byte, panels map[panelKey][]byte, limit int64) error {
	le := binary.LittleEndian
	keys := slices.SortedFunc(maps.Keys(panels), func(a, b panelKey) int { return bytes.Compare(a.entry(nil), b.entry(nil)) })
	head := make([]byte, panelHead)
	copy(head, panelMagic)
	le.PutUint32(head[8:], panelVersion)
	copy(head[16:], key[:])
	le.PutUint64(head[56:], uint64(len(keys)))
	for _, k := range keys {
		head = k.entry(head)
	}
	size := len(head)
	parts := [][]byte{head}
	for _, k := range keys {
		gap := -size & (panelAlign - 1)
		parts = append(parts, make([]byte, gap), panels[k])
		size += gap + k.size
	}
	if int64(size) > limit {
		return fmt.Errorf("they take %d bytes, more than %d", size, limit)
	}
	le.PutUint64(head[48:], uint64(size))
	sum := crc32.Checksum(head[16:], castagnoli)
	for _, p := range parts[1:] {
		sum = crc32.Update(sum, castagnoli, p)
	}
	le.PutUint32(head[12:], sum)
	out := bufio.NewWriter(w)
	for _, p := range parts {
		if _, err := out.Write(p); err != nil {
			return err
		}
	}
	return out.Flush()
}

// entry appends the key as the file has it.
func (k panelKey) entry(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, uint32(len(k.id)))
	b = le.AppendUint64(b, uint64(k.weights))
	b = le.AppendUint32(b, k.sum)
	b = le.AppendUint32(b, k.ieee)
	b = le.AppendUint64(b, uint64(k.size))
	return append(b, k.id...)
}

// thin removes the oldest files of a folder that has too many, and what a load that was killed has left half written.
func (c *Cache) thin() {
	all, err := os.ReadDir(c.Dir)
	if err != nil {
		return
	}
	type aged struct {
		path string
		at   time.Time
	}
	var files []aged
	for _, e := range all {
		name, isOurs := strings.CutSuffix(e.Name(), panelSuffix)
		st, err := e.Info()
		if !isOurs || err != nil || !st.Mode().IsRegular() {
			continue
		}
		path := filepath.Join(c.Dir, e.Name())
		if _, err := hex.DecodeString(name); err == nil && len(name) == 2*sha256.Size {
			files = append(files, aged{path, st.ModTime()})
		} else if strings.HasPrefix(name, "new-") && time.Since(st.ModTime()) > time.Hour {
			_ = os.Remove(path)
		}
	}
	slices.SortFunc(files, func(a, b aged) int { return b.at.Compare(a.at) })
	for _, f := range files[min(keptFiles, len(files)):] {
		_ = os.Remove(f.path)
	}
}
