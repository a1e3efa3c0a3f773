package table

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"wayside/hal"
)

// MaxCells bounds a table: 64 million cells of 8 bytes are half of the memory of a small gateway.
const MaxCells = 64 << 20

// Table is a CSV file with a header line. Columns are parsed whole when it is read.
type Table struct {
	Name    string // for error texts: the file's name
	Lines   []int  // line in the file of each row, from 1
	columns []column
}

type column struct {
	name   string
	values []float64
	err    error // the first cell that is no number: the column can be there, but not be used
}

// timeLayouts are the forms of a point in time that cells may have besides a number of seconds.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04"}

// File reads a table from a file. A missing file and a wrong one are hal.ErrInput.
func File(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, hal.InputError("table: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	return Read(f, path)
}

// Read reads a table: comma separated, a header line with distinct names, every row as long as the header. Lines that
// start with # are comments. Empty cells are NaN. A cell is a number or a point in time (RFC 3339, or "2015-09-08 11:39:00" taken as
// UTC), which counts as seconds since 1970.
func Read(r io.Reader, name string) (*Table, error) {
	in := csv.NewReader(skipMark(r))
	in.Comment = '#'
	in.TrimLeadingSpace = true
	in.ReuseRecord = true
	fail := func(line int, format string, args ...any) error {
		return hal.InputError("table: %s:%d: %s", name, line, fmt.Sprintf(format, args...))
	}
	t := &Table{Name: name}
	for {
		row, err := in.Read()
		if err == io.EOF {
			break
		}
		var pe *csv.ParseError
		if errors.As(err, &pe) {
			if errors.Is(err, csv.ErrFieldCount) {
				return nil, fail(pe.Line, "%d cells, the header has %d", len(row), len(t.columns))
			}
			return nil, fail(pe.Line, "%v", pe.Err)
		}
		if err != nil {
			return nil, fmt.Errorf("table: read %s: %w", name, err)
		}
		line, _ := in.FieldPos(0)
		if t.columns == nil {
			seen := map[string]bool{}
			for _, h := range row {
				h = strings.TrimSpace(h)
				if h == "" || seen[h] {
					return nil, fail(line, "column name %q is empty or there twice: the first line must name every column", h)
				}
				seen[h] = true
				t.columns = append(t.columns, column{name: h})
			}
			continue
		}
		if (len(t.Lines)+1)*len(t.columns) > MaxCells {
			return nil, fail(line, "more than %d cells: split the table", MaxCells)
		}
		t.Lines = append(t.Lines, line)
		for i, cell := range row {
			c := &t.columns[i]
			v, err := parse(strings.TrimSpace(cell))
			if err != nil && c.err == nil {
				c.err = fail(line, "column %q: %q is neither a number nor a point in time", c.name, cell)
			}
			c.values = append(c.values, v)
		}
	}
	switch {
	case t.columns == nil:
		return nil, fail(1, "the file is empty: it needs a line with the names of the columns")
	case len(t.Lines) == 0:
		return nil, fail(1, "there are no rows after the header")
	}
	return t, nil
}

func parse(cell string) (float64, error) {
	if cell == "" {
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(cell, 64)
	if err == nil {
		return v, nil
	}
	for _, l := range timeLayouts {
		if at, timeErr := time.Parse(l, cell); timeErr == nil {
			return float64(at.Unix()) + float64(at.Nanosecond())/1e9, nil
		}
	}
	return math.NaN(), err
}

// Column is the values of one column, NaN where a cell is empty. The slice is the table's own: do not change it.
func (t *Table) Column(name string) ([]float64, error) {
	var names []string
	for _, c := range t.columns {
		if c.name == name {
			return c.values, c.err
		}
		names = append(names, c.name)
	}
	return nil, fmt.Errorf("table: %s: %w", t.Name, &hal.KeyError{Key: "column", Reason: fmt.Sprintf("there is no column %q", name), Remedy: "the columns are " + strings.Join(names, ", ")})
}

// Numeric lists the columns that can be used, in order.
func (t *Table) Numeric() []string {
	var out []string
	for _, c := range t.columns {
		if c.err == nil {
			out = append(out, c.name)
		}
	}
	return out
}

// skipMark leaves out the byte order mark that spreadsheet programs put first.
func skipMark(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	if mark, err := b.Peek(3); err == nil && string(mark) == "\xef\xbb\xbf" {
		_, _ = b.Discard(3) // just seen to be there
	}
	return b
}
