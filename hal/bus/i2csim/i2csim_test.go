package i2csim

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	periph "periph.io/x/conn/v3/i2c"

	"wayside/hal"
	"wayside/hal/haltest"
)

func decode(t *testing.T, text string) *Config {
	t.Helper()
	cfg := &Config{Timeout: hal.Duration(time.Second)}
	md, err := toml.Decode(text, cfg)
	if err != nil || len(md.Undecoded()) > 0 {
		t.Fatalf("%v, undecoded %v", err, md.Undecoded())
	}
	return cfg
}

// TestConfigAndTable: chips from settings, values from a table, power lost in an empty cell and after the end.
func TestConfigAndTable(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "air.csv"), []byte("flow,degC\n4,10\n12,20\n20,\n8,40\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := decode(t, `
timeout = "100ms"
[[chip]]
type = "ads1115"
address = 0x48
shunt_ohms = 150.0
file = "air.csv"
columns = { loop1 = "flow" }
values = { a0 = 1.024 }
step = "2s"
[[chip]]
type = "bmp280"
address = 0x77
file = "air.csv"
columns = { temperature = "degC" }
[[chip]]
type = "bme280"
address = 0x76
fault = "absent"
`)
	clock := haltest.NewClock()
	bus, err := Open("sim", cfg, hal.Env{Clock: clock, BaseDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	tx := func(addr uint16, w []byte, n int) ([]byte, error) {
		r := make([]byte, n)
		return r, bus.Do(context.Background(), addr, func(b periph.Bus) error { return b.Tx(addr, w, r) })
	}
	// Single conversions at +-4.096 V and 860 per second: input 0, then input 1.
	volts := func(mux byte) float64 {
		t.Helper()
		if _, err := tx(0x48, []byte{1, 0x83 | mux<<4, 0xe3}, 0); err != nil {
			t.Fatal(err)
		}
		clock.Advance(2 * time.Millisecond)
		r, err := tx(0x48, []byte{0}, 2)
		if err != nil {
			t.Fatal(err)
		}
		return float64(int16(uint16(r[0])<<8|uint16(r[1]))) * 4.096 / 32768
	}
	if v := volts(4); math.Abs(v-1.024) > 0.0002 {
		t.Errorf("constant: %v V", v)
	}
	if v := volts(5); math.Abs(v-0.6) > 0.0002 { // 4 mA
		t.Errorf("row 0: %v V", v)
	}
	clock.Advance(2 * time.Second)
	if v := volts(5); math.Abs(v-1.8) > 0.0002 {
		t.Errorf("row 1: %v V", v)
	}
	if id, err := tx(0x77, []byte{0xd0}, 1); !errors.Is(err, hal.ErrNoDevice) { // row 2 of degC is empty
		t.Errorf("chip without power: %v, %v", id, err)
	}
	clock.Advance(time.Second)
	if id, err := tx(0x77, []byte{0xd0}, 1); err != nil || id[0] != 0x58 {
		t.Errorf("chip id %v, %v", id, err)
	}
	clock.Advance(2 * time.Second)
	if _, err := tx(0x77, []byte{0xd0}, 1); !errors.Is(err, hal.ErrNoDevice) || !strings.Contains(err.Error(), "table has ended") {
		t.Errorf("after the table: %v", err)
	}
	if _, err := tx(0x76, []byte{0xd0}, 1); !errors.Is(err, hal.ErrNoDevice) {
		t.Errorf("absent chip: %v", err)
	}
	if bus.String() != "sim" || bus.Close() != nil {
		t.Error("name or close")
	}
}

func TestConfigRefuses(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{`chip = [{ type = "lm75", address = 0x48 }]`, "ads1115, bme280, bmp280"},
		{`chip = [{ type = "bme280", address = 0x48 }]`, "0x76 to 0x77"},
		{`chip = [{ type = "bme280", address = 0x76 }, { type = "bmp280", address = 0x76 }]`, "there twice"},
		{`chip = [{ type = "bmp280", address = 0x76, values = { humidity = 3 } }]`, `"humidity" is no quantity`},
		{`chip = [{ type = "bmp280", address = 0x76, columns = { wind = "w" }, file = "x" }]`, `"wind" is no quantity`},
		{`chip = [{ type = "bmp280", address = 0x76, columns = { temperature = "t" } }]`, "go together"},
		{`chip = [{ type = "bmp280", address = 0x76, values = { temperature = 1 }, columns = { temperature = "t" }, file = "x" }]`, "once"},
		{`chip = [{ type = "ads1115", address = 0x48, values = { loop0 = 4 } }]`, "shunt_ohms"},
		{`chip = [{ type = "ads1115", address = 0x48, shunt_ohms = 150.0 }]`, "shunt_ohms"},
		{`chip = [{ type = "ads1115", address = 0x48, fault = "wrong-id" }]`, "fault"},
		{`chip = [{ type = "bme280", address = 0x76, fault = "explode" }]`, "fault"},
		{`chip = [{ type = "bme280", address = 0x76, step = "-1s" }]`, "negative"},
		{`timeout = "0s"`, "timeout"},
	} {
		if err := decode(t, tc.text).Validate(); err == nil || !strings.Contains(err.Error(), tc.want) || !errors.Is(err, hal.ErrInput) {
			t.Errorf("%s: %v, want %q", tc.text, err, tc.want)
		}
	}
	cfg := decode(t, `chip = [{ type = "bmp280", address = 0x76, columns = { temperature = "t" }, file = "none.csv" }]`)
	if _, err := Open("sim", cfg, hal.Env{Clock: haltest.NewClock(), BaseDir: t.TempDir()}); !errors.Is(err, hal.ErrInput) {
		t.Errorf("missing table: %v", err)
	}
}
