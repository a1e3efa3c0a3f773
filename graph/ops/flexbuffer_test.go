package ops

import (
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
)

// flexSamples are maps as the reference writer encodes them, in hexadecimal.
var flexSamples = []struct {
	name, hex string
	want      flexMap
}{
	{"empty", "00000100002401", flexMap{}},
	{"scalars", "610062006600740073000568656c6c6f006e006269670007181707170b1518000800000000000000010000000000000007000000000000000100000000000000" +
		"d4feffffffffffff0000000000010000000000000000f83f0000000000000000550000000000000001000000000000000707070f03146b3f2701",
		flexMap{"a": int64(1), "b": int64(-300), "f": 1.5, "t": true, "s": "hello", "n": nil, "big": int64(1) << 40}},
	{"vectors", "6976000003000100feff2c0166760000020000000000c03f000020406634000102fd696600000000000010406969000090eefeff6276000201007500626c6f6200" +
		"0378797a6d0078000103010101010409151e3748332a57131f0901091b26404c39325d16c864904c36221a2d2408122401",
		flexMap{"iv": []int64{1, -2, 300}, "fv": []float64{1.5, 2.5}, "f4": []int64{1, 2, -3}, "if": 2.25, "ii": int64(-70000), "bv": []bool{true, false},
			"u": int64(200), "blob": nil, "m": nil}},
}

func flexBytes(t testing.TB, h string) string {
	b, err := hex.DecodeString(h)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParseFlexMap(t *testing.T) {
	for _, c := range flexSamples {
		got, err := parseFlexMap(flexBytes(t, c.hex))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	for _, s := range []string{"\x01", "\x01\x02", "\x05\x04\x01", "\x00\x24\x03", "\x00\x24\x01", strings.Repeat("\xff", 40), "\x00\x00\x24\x08"} {
		if m, err := parseFlexMap(s); err == nil {
			t.Errorf("%q is taken as %v", s, m)
		}
	}
}

func TestFlexMapTypes(t *testing.T) {
	m := flexMap{"i": int64(7), "f": 2.9, "b": true, "s": "x", "far": 1e30}
	for _, c := range []struct {
		name string
		want int
		fail string
	}{{"i", 7, ""}, {"f", 2, ""}, {"b", 1, ""}, {"absent", 5, ""}, {"s", 0, "option s is no number"}, {"far", 0, "option far is 1e+30; 0 to 9 is supported"}} {
		got, err := m.int(c.name, 5, 0, 9)
		if got != c.want || (err == nil) != (c.fail == "") || err != nil && err.Error() != c.fail {
			t.Errorf("int %s: %d, %v", c.name, got, err)
		}
	}
	if _, err := m.int("i", 0, 8, 9); err == nil {
		t.Error("an option out of range is accepted")
	}
	if v, err := m.float("i", 0); v != 7 || err != nil {
		t.Errorf("float of an integer: %v, %v", v, err)
	}
	if _, err := m.float("s", 0); err == nil {
		t.Error("a string is accepted as float")
	}
	if v, err := m.bool("i", false); !v || err != nil {
		t.Errorf("bool of an integer: %v, %v", v, err)
	}
	if v, err := m.bool("absent", true); !v || err != nil {
		t.Errorf("bool that is absent: %v, %v", v, err)
	}
}

func FuzzFlexMap(f *testing.F) {
	for _, c := range flexSamples {
		f.Add(flexBytes(f, c.hex))
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseFlexMap(s)
		if err != nil {
			return
		}
		elems := 0
		for k, v := range m {
			elems += len(k)
			switch v := v.(type) {
			case []int64:
				elems += len(v)
			case []float64:
				elems += len(v)
			case []bool:
				elems += len(v)
			case string:
				elems += len(v)
			}
			_, _ = m.int(k, 0, -1<<31, 1<<31-1)
			_, _ = m.float(k, 0)
			_, _ = m.bool(k, false)
		}
		if len(m) > maxFlexKeys || elems > maxFlexElems {
			t.Fatalf("%d keys with %d elements from %d bytes", len(m), elems, len(s))
		}
	})
}
