package table

import (
	"errors"
	"math"
	"strings"
	"testing"

	"wayside/hal"
)

func TestRead(t *testing.T) {
	tab, err := Read(strings.NewReader("\xef\xbb\xbftimestamp, value,note\n# a comment\n2015-09-08 11:39:00,73,dry\n2015-09-08T11:44:00Z,,wet\n300.5, -1.5e2 ,\n"), "x.csv")
	if err != nil {
		t.Fatal(err)
	}
	at, err := tab.Column("timestamp")
	if err != nil || at[0] != 1441712340 || at[1]-at[0] != 300 || at[2] != 300.5 {
		t.Errorf("times %v, %v", at, err)
	}
	v, err := tab.Column("value")
	if err != nil || len(v) != 3 || v[0] != 73 || !math.IsNaN(v[1]) || v[2] != -150 {
		t.Errorf("values %v, %v", v, err)
	}
	if tab.Lines[0] != 3 || tab.Lines[2] != 5 {
		t.Errorf("lines %v", tab.Lines)
	}
	if _, err := tab.Column("note"); err == nil || !strings.Contains(err.Error(), `x.csv:3: column "note": "dry"`) || !errors.Is(err, hal.ErrInput) {
		t.Errorf("text column: %v", err)
	}
	if _, err := tab.Column("speed"); err == nil || !strings.Contains(err.Error(), "timestamp, value, note") || !errors.Is(err, hal.ErrInput) {
		t.Errorf("missing column: %v", err)
	}
	if n := tab.Numeric(); len(n) != 2 || n[1] != "value" {
		t.Errorf("numeric columns %v", n)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "x.csv:1: the file is empty"},
		{"only a header", "a,b\n", "no rows"},
		{"short row", "a,b\n1,2\n3\n", "x.csv:3: 1 cells, the header has 2"},
		{"same name twice", "a,a\n1,2\n", `x.csv:1: column name "a"`},
		{"unnamed column", "a,\n1,2\n", "x.csv:1"},
		{"open quote", "a\n\"1\n", "x.csv:"},
	} {
		if _, err := Read(strings.NewReader(tc.text), "x.csv"); err == nil || !strings.Contains(err.Error(), tc.want) || !errors.Is(err, hal.ErrInput) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	if _, err := File("/nonexistent/x.csv"); !errors.Is(err, hal.ErrInput) {
		t.Errorf("missing file: %v", err)
	}
}
