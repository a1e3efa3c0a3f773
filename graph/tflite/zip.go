package tflite

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"wayside/graph"
)

// Limits of the zip behind a model.
const (
	maxFiles      = 256
	maxDirectory  = 1 << 20 // bytes of its directory
	maxLabelBytes = 4 << 20 // of all label files together, inflated
	maxLabels     = 1 << 18 // of one file
)

// packed is one file of the zip.
type packed = *zip.File

// openZip lists the zip that trails a FlatBuffer. The directory's own size is checked before archive/zip allocates for it.
func openZip(data []byte) (map[string]packed, error) {
	const (
		endLen    = 22 // bytes of the end record without its comment
		signature = "PK\x05\x06"
	)
	tail := data[max(0, len(data)-endLen-1<<16):]
	end := -1
	for at := len(tail); end < 0; {
		at = bytes.LastIndex(tail[:at], []byte(signature))
		if at < 0 {
			return nil, errors.New("the file has no zip behind the model")
		}
		if len(tail)-at >= endLen && at+endLen+int(binary.LittleEndian.Uint16(tail[at+20:])) <= len(tail) {
			end = at
		}
	}
	count, size := binary.LittleEndian.Uint16(tail[end+10:]), binary.LittleEndian.Uint32(tail[end+12:])
	if count > maxFiles || size > maxDirectory {
		return nil, fmt.Errorf("the zip behind the model has %d files in a directory of %d bytes; %d files in %d bytes are read", count, size, maxFiles, maxDirectory)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("the zip behind the model is broken: %w", err)
	}
	files := map[string]packed{}
	for _, f := range z.File {
		if files[f.Name] == nil {
			files[f.Name] = f
		}
	}
	return files, nil
}

// labelFile returns the lines of a file of the zip, nil with a note when it cannot be read.
func (r *metaReader) labelFile(name string) []string {
	if l, ok := r.labels[name]; ok {
		return l
	}
	if r.files == nil {
		var err error
		if r.files, err = openZip(r.data); err != nil {
			r.note("the labels are missing: %v", err)
			r.files = map[string]packed{}
		}
	}
	l, err := r.readLabels(name)
	if err != nil && len(r.files) > 0 {
		r.note("the labels in %q are missing: %v", name, err)
	}
	r.labels[name] = l
	return l
}

func (r *metaReader) readLabels(name string) ([]string, error) {
	f := r.files[name]
	if f == nil {
		return nil, errors.New("the zip behind the model has no such file")
	}
	rc, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	b, err := io.ReadAll(io.LimitReader(rc, int64(r.left)+1))
	if err != nil {
		return nil, err
	}
	if len(b) > r.left {
		return nil, fmt.Errorf("the label files have more than %d bytes", maxLabelBytes)
	}
	r.left -= len(b)
	if bytes.Count(b, []byte("\n")) > maxLabels {
		return nil, fmt.Errorf("it has more than %d lines", maxLabels)
	}
	lines := strings.Split(strings.TrimPrefix(string(b), "\ufeff"), "\n")
	for i := range lines {
		lines[i] = graph.CleanText(lines[i])
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines, nil
}
