package feed

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"wayside/graph/tensor"
)

const (
	// maxArrays bounds the arrays of one .npz.
	maxArrays = 1024
	// maxNPZBytes bounds what all arrays of one .npz may inflate to, 1 GiB.
	maxNPZBytes = 1 << 30
)

// Named is one array of an .npz.
type Named struct {
	Name string // the key, without the .npy that the archive appends
	T    *tensor.Tensor
}

// ReadNPZ reads all arrays of the .npz at path, in the archive's order.
func ReadNPZ(path string) ([]Named, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("feed: read npz: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("feed: read npz: %w", err)
	}
	named, err := readNPZ(f, st.Size())
	if err != nil {
		return nil, fmt.Errorf("feed: %s: %w", path, err)
	}
	return named, nil
}

// ParseNPZ is ReadNPZ on bytes in memory. The tensors do not alias data.
func ParseNPZ(data []byte) ([]Named, error) {
	named, err := readNPZ(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("feed: read npz: %w", err)
	}
	return named, nil
}

func readNPZ(r io.ReaderAt, size int64) ([]Named, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("%w: not a whole .npz: %w", ErrFormat, err)
	}
	if len(z.File) > maxArrays {
		return nil, fmt.Errorf("%w: more than %d arrays", ErrFormat, maxArrays)
	}
	named := make([]Named, 0, len(z.File))
	seen := map[string]bool{}
	var total int64
	for _, e := range z.File {
		name := strings.TrimSuffix(e.Name, ".npy")
		if seen[name] {
			return nil, fmt.Errorf("%w: array %q is there twice", ErrFormat, name)
		}
		seen[name] = true
		t, err := readEntry(e, maxNPZBytes-total)
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", name, err)
		}
		total += int64(len(t.Data))
		named = append(named, Named{name, t})
	}
	return named, nil
}

func readEntry(e *zip.File, limit int64) (*tensor.Tensor, error) {
	rc, err := e.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	defer rc.Close()
	lr := &io.LimitedReader{R: rc, N: limit + maxNPYHeader}
	t, err := readNPY(lr)
	if err != nil {
		if lr.N <= 0 {
			return nil, fmt.Errorf("%w: the arrays inflate to more than %d bytes", ErrFormat, maxNPZBytes)
		}
		return nil, err
	}
	// The rest must be empty; reading to its end also checks the archive's CRC-32.
	if n, err := io.Copy(io.Discard, lr); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	} else if n > 0 {
		return nil, fmt.Errorf("%w: %d bytes follow the array", ErrFormat, n)
	}
	return t, nil
}

// WriteNPZ writes arrays as an uncompressed .npz, in the given order. The same arrays give the same bytes: entries carry
// no time.
func WriteNPZ(w io.Writer, named []Named) error {
	z := zip.NewWriter(w)
	for _, n := range named {
		e, err := z.CreateHeader(&zip.FileHeader{Name: n.Name + ".npy", Method: zip.Store})
		if err != nil {
			return fmt.Errorf("feed: write npz: array %q: %w", n.Name, err)
		}
		if err := WriteNPY(e, n.T); err != nil {
			return fmt.Errorf("array %q: %w", n.Name, err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("feed: write npz: %w", err)
	}
	return nil
}
