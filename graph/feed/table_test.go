package feed

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReadTable(t *testing.T) {
	day := time.Date(2015, 9, 1, 13, 45, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		text    string
		columns []string
		first   []float64
		timeCol string
		at      time.Time
	}{
		"commas":             {"timestamp,value\n2015-09-01 13:45:00,3\n2015-09-01 13:50:00,4\n", []string{"value"}, []float64{3, 4}, "timestamp", day},
		"semicolons":         {"datetime;a;b\n2015-09-01 13:45:00;1;2\n", []string{"a", "b"}, []float64{1}, "datetime", day},
		"tabs":               {"a\tts\n1\t1441115100\n", []string{"a"}, []float64{1}, "ts", day},
		"zone":               {"time,v\n2015-09-01T15:45:00+02:00,1\n", []string{"v"}, []float64{1}, "time", day},
		"byte order mark":    {"\xef\xbb\xbfv\n7\n", []string{"v"}, []float64{7}, "", time.Time{}},
		"line ends of DOS":   {"v\r\n7\r\n8\r\n", []string{"v"}, []float64{7, 8}, "", time.Time{}},
		"quotes and spaces":  {"\"a, b\", c\n 1, 2\n", []string{"a, b", "c"}, []float64{1}, "", time.Time{}},
		"exponent and sign":  {"v\n-1.5e3\n", []string{"v"}, []float64{-1500}, "", time.Time{}},
		"gaps":               {"v,w\n,1\nNaN,1\nnull,1\n2,1\n", []string{"v", "w"}, []float64{math.NaN(), math.NaN(), math.NaN(), 2}, "", time.Time{}},
		"second time column": {"time,date\n2015-09-01 13:45:00,5\n", []string{"date"}, []float64{5}, "time", day},
	} {
		tab, err := ReadTable(strings.NewReader(c.text), "t.csv")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		same := slices.EqualFunc(tab.Values[0], c.first, func(a, b float64) bool { return a == b || a != a && b != b })
		if !slices.Equal(tab.Columns, c.columns) || !same || tab.TimeCol != c.timeCol || tab.Rows() != len(c.first) {
			t.Errorf("%s: %+v", name, tab)
		}
		if c.timeCol != "" && (len(tab.Time) != tab.Rows() || !tab.Time[0].Equal(c.at)) {
			t.Errorf("%s: times %v", name, tab.Time)
		}
	}
}

func TestReadTableRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, say string }{
		"empty":          {"", "t.csv:1"},
		"no number":      {"a,b\n1,x\n", `t.csv:2: column "b"`},
		"far down":       {"a\n1\n\n2\n# no\n", `t.csv:5: column "a"`},
		"after quotes":   {"a,b\n\"1\n\",2\n3,x\n", `t.csv:4: column "b"`},
		"cells missing":  {"a,b\n1,2\n3\n", "t.csv:3"},
		"no header":      {"1,2\n3,4\n", "t.csv:1"},
		"named twice":    {"a,a\n1,2\n", `"a" is named twice`},
		"no time":        {"time,a\nyesterday,1\n", `t.csv:2: column "time"`},
		"infinite":       {"a\ninf\n", `"inf" is not a number`},
		"bad quotes":     {"a\n\"1\n", "t.csv:2"},
		"long cell":      {"a\n" + strings.Repeat("y", 1000) + "\n", "..."},
		"time too large": {"time,a\n1e300,1\n", "not a time"},
	} {
		_, err := ReadTable(strings.NewReader(c.text), "t.csv")
		if err == nil || !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.say) || len(err.Error()) > 300 {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.say)
		}
	}
}

func TestTableColumn(t *testing.T) {
	tab, err := ReadTable(strings.NewReader("a,b\n1,2\n"), "t.csv")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := tab.Column("b"); err != nil || v[0] != 2 {
		t.Errorf("%v %v", v, err)
	}
	if _, err := tab.Column("c"); err == nil || !strings.Contains(err.Error(), "a, b") {
		t.Errorf("%v", err)
	}
}

func FuzzReadTable(f *testing.F) {
	f.Add("time,a\n2026-01-01 00:00:00,1\n")
	f.Add("a;b\n1;\n\"2\";3\n")
	f.Fuzz(func(t *testing.T, s string) {
		tab, err := ReadTable(strings.NewReader(s), "f")
		if err != nil {
			return
		}
		for _, v := range tab.Values {
			if len(v) != tab.Rows() {
				t.Fatalf("a column of %d values in %d rows", len(v), tab.Rows())
			}
		}
		if tab.Time != nil && len(tab.Time) != tab.Rows() {
			t.Fatalf("%d times in %d rows", len(tab.Time), tab.Rows())
		}
	})
}
