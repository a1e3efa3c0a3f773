package feed

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	maxColumns = 4096
	// maxCells bounds a table: 16 Mi cells are 128 MiB.
	maxCells = 16 << 20
	// maxTableBytes bounds the text of a table.
	maxTableBytes = 256 << 20
)

// Table is a CSV file: numbers in named columns and, when there is one, a column of times.
type Table struct {
	Columns []string    // names of the number columns, in the file's order
	Values  [][]float64 // Values[c][r]; NaN is a gap: the cell is empty or says nan
	Time    []time.Time // one per row; nil without a time column
	TimeCol string      // the time column's name; "" without one
	Lines   []int       // the line of the file that each row stands on
	name    string
}

// timeNames are the headers, in lower case, that make a column one of times. Numbers in it are Unix seconds.
var timeNames = map[string]bool{"time": true, "timestamp": true, "datetime": true, "date": true, "date_time": true, "ts": true}

var timeLayouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02", "02.01.2006 15:04:05", "01/02/2006 15:04:05"}

// ReadTable reads CSV with a header line, separated by commas, semicolons or tabs. Times without a zone are UTC. name is the
// file's name, which every error carries with line and column.
func ReadTable(r io.Reader, name string) (*Table, error) {
	lim := &io.LimitedReader{R: r, N: maxTableBytes}
	br := bufio.NewReader(lim)
	if b, _ := br.Peek(3); bytes.Equal(b, []byte("\xef\xbb\xbf")) {
		br.Discard(3)
	}
	// Peek returns what there is: a header longer than the buffer is told by its start as well.
	head, _ := br.Peek(br.Size())
	if i := bytes.IndexByte(head, '\n'); i >= 0 {
		head = head[:i]
	}
	c := csv.NewReader(br)
	c.ReuseRecord, c.TrimLeadingSpace = true, true
	c.Comma = separator(head)
	rec, err := c.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("feed: %s:1: %w: the file is empty, a line of column names is needed", name, ErrFormat)
		}
		return nil, csvError(name, err)
	}
	t := &Table{name: name}
	if len(rec) > maxColumns {
		return nil, fmt.Errorf("feed: %s:1: %w: more than %d columns", name, ErrFormat, maxColumns)
	}
	timeAt, numeric := -1, true
	cols := make([]string, len(rec))
	seen := map[string]bool{}
	for i, h := range rec {
		h = strings.TrimSpace(h)
		cols[i] = strings.Clone(h)
		if _, err := strconv.ParseFloat(h, 64); err != nil {
			numeric = false
		}
		if seen[h] {
			return nil, fmt.Errorf("feed: %s:1: %w: column %q is named twice", name, ErrFormat, h)
		}
		seen[h] = true
		if timeAt < 0 && timeNames[strings.ToLower(h)] {
			timeAt = i
		} else {
			t.Columns = append(t.Columns, cols[i])
		}
	}
	if numeric {
		return nil, fmt.Errorf("feed: %s:1: %w: the first line has numbers only, where the names of the columns should stand", name, ErrFormat)
	}
	if timeAt >= 0 {
		t.TimeCol = cols[timeAt]
	}
	t.Values = make([][]float64, len(t.Columns))
	for {
		rec, err := c.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, csvError(name, err)
		}
		line, _ := c.FieldPos(0)
		if (len(t.Lines)+1)*len(rec) > maxCells {
			return nil, fmt.Errorf("feed: %s:%d: %w: the table has more than %d cells", name, line, ErrFormat, maxCells)
		}
		t.Lines = append(t.Lines, line)
		out := 0
		for i, cell := range rec {
			cell = strings.TrimSpace(cell)
			if i == timeAt {
				at, ok := parseTime(cell)
				if !ok {
					return nil, fmt.Errorf("feed: %s:%d: column %q: %w: %q is not a time; 2006-01-02 15:04:05, RFC 3339 and Unix seconds are understood", name, line, cols[i], ErrFormat, clip(cell))
				}
				t.Time = append(t.Time, at)
				continue
			}
			v, ok := parseCell(cell)
			if !ok {
				return nil, fmt.Errorf("feed: %s:%d: column %q: %w: %q is not a number", name, line, cols[i], ErrFormat, clip(cell))
			}
			t.Values[out] = append(t.Values[out], v)
			out++
		}
	}
	if lim.N <= 0 {
		return nil, fmt.Errorf("feed: %s: %w: the file has more than %d bytes", name, ErrFormat, maxTableBytes)
	}
	return t, nil
}

// Rows returns the number of rows below the header.
func (t *Table) Rows() int { return len(t.Lines) }

// Column returns the values of the named column, or an error that lists the names.
func (t *Table) Column(name string) ([]float64, error) {
	for i, c := range t.Columns {
		if c == name {
			return t.Values[i], nil
		}
	}
	return nil, fmt.Errorf("feed: %s: no column %q; there are: %s", t.name, name, strings.Join(t.Columns, ", "))
}

// separator tells comma, semicolon and tab apart by what the header has most of.
func separator(header []byte) rune {
	best := ','
	for _, c := range []rune{';', '\t'} {
		if bytes.Count(header, []byte(string(c))) > bytes.Count(header, []byte(string(best))) {
			best = c
		}
	}
	return best
}

func parseCell(s string) (float64, bool) {
	if s == "" || strings.EqualFold(s, "nan") || strings.EqualFold(s, "null") || strings.EqualFold(s, "na") {
		return math.NaN(), true
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && !math.IsInf(v, 0)
}

func parseTime(s string) (time.Time, bool) {
	for _, l := range timeLayouts {
		if t, err := time.Parse(l, s); err == nil {
			return t, true
		}
	}
	// The bound keeps the nanoseconds inside int64.
	if v, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(v) < 9e9 {
		sec := math.Floor(v)
		return time.Unix(int64(sec), int64((v-sec)*1e9)).UTC(), true
	}
	return time.Time{}, false
}

// csvError turns the csv package's error into ours: file, line, reason.
func csvError(name string, err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		reason := p.Err.Error()
		if errors.Is(p.Err, csv.ErrFieldCount) {
			reason = "the number of cells differs from the header's"
		}
		return fmt.Errorf("feed: %s:%d: column %d: %w: %s", name, p.Line, p.Column, ErrFormat, reason)
	}
	return fmt.Errorf("feed: %s: %w", name, err)
}

// clip keeps a message readable whatever the cell holds.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
