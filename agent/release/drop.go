package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// drop is a complete release in memory: every byte was read once, hashed, and is parsed from here.
type drop struct {
	man    *Manifest
	model  []byte // inflated
	golden []byte
	digest string // SHA-256 of model
}

// incompleteError says what a drop still lacks. It is not yet a refusal: the copy may be under way.
type incompleteError struct{ reason string }

func (e *incompleteError) Error() string { return e.reason }

func incomplete(format string, a ...any) error { return &incompleteError{fmt.Sprintf(format, a...)} }

// fingerprint changes whenever anything in the folder does; it is cheap, so that hashing is done only once per change.
func fingerprint(dir string) (string, error) {
	ents, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, e := range ents {
		fi, err := e.Info()
		if err != nil {
			continue // removed in between: the next look sees it
		}
		fmt.Fprintf(&b, "%s %d %d %v\n", e.Name(), fi.Size(), fi.ModTime().UnixNano(), fi.Mode())
	}
	return b.String(), nil
}

// readFile reads a regular file of at most limit bytes, and never through a link: whoever may write the drop folder
// shall not make the worker read anything else.
func readFile(dir, name string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, incomplete("%s is missing", name)
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("%s is a link: copy the file itself", name)
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	if fi.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than the %d allowed", name, fi.Size(), limit)
	}
	data := make([]byte, 0, fi.Size()+1)
	buf := bytes.NewBuffer(data)
	if n, err := buf.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	} else if n > limit {
		return nil, fmt.Errorf("%s has more than the %d bytes allowed", name, limit)
	}
	return buf.Bytes(), nil
}

// readManifest reads and parses release.toml alone.
func readManifest(dir string) (*Manifest, error) {
	data, err := readFile(dir, ManifestName, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	m, err := ParseManifest(data)
	if err != nil {
		// A manifest that is still being copied does not parse either; only time tells.
		return nil, incomplete("%s", err)
	}
	return m, nil
}

// readDrop reads all files that man lists and checks their hashes. An *incompleteError means: look again later.
func readDrop(dir string, man *Manifest, maxModel int64) (*drop, error) {
	d := &drop{man: man}
	for _, name := range man.files() {
		data, err := readFile(dir, name, maxModel)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		if got, want := hex.EncodeToString(sum[:]), man.SHA256[name]; got != want {
			return nil, incomplete("%s: SHA-256 is %s…, %s says %s…", name, got[:12], ManifestName, want[:12])
		}
		switch name {
		case man.File:
			d.model = data
		case goldenName:
			d.golden = data
		}
	}
	return d, nil
}

// unpack inflates the model if it is compressed, and names it by the digest of the bytes that will be parsed.
func (d *drop) unpack(maxModel int64) error {
	data, err := inflate(d.model, maxModel)
	if err != nil {
		return fmt.Errorf("%s: %w", d.man.File, err)
	}
	d.model = data
	d.digest = Digest(data)
	return nil
}

// Digest is the SHA-256 of a model's bytes, inflated, in hex.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// inflate returns data, decompressed when its content is zstd. Neither its output nor its window exceeds limit, whatever the header claims.
func inflate(data []byte, limit int64) ([]byte, error) {
	if !bytes.HasPrefix(data, zstdMagic) {
		return data, nil
	}
	dec, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(uint64(limit)), zstd.WithDecoderMaxWindow(min(uint64(limit), 8<<20)))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	defer dec.Close()
	var out bytes.Buffer
	n, err := out.ReadFrom(io.LimitReader(dec, limit+1))
	if n > limit {
		return nil, fmt.Errorf("zstd: inflates to more than the %d bytes allowed", limit)
	}
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, fmt.Errorf("zstd: inflates to more than the %d bytes allowed", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return bytes.Clone(out.Bytes()), nil
}

// folders lists the drops in dir, oldest manifest first, so that a restart takes them in the order they came.
// Hidden ones are left alone: tools copy under a dotted name and rename.
func folders(dir string) ([]string, error) {
	ents, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	type item struct {
		name string
		at   int64
	}
	var items []item
	for _, e := range ents {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		it := item{name: e.Name()}
		if fi, err := os.Lstat(filepath.Join(dir, e.Name(), ManifestName)); err == nil {
			it.at = fi.ModTime().UnixNano()
		}
		items = append(items, it)
	}
	sort.SliceStable(items, func(i, j int) bool { return items[i].at < items[j].at })
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = it.name
	}
	return out, nil
}
