package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"time"

	"wayside/hal/table"
)

// slotTime is the grid of the detectors' data.
const slotTime = 5 * time.Minute

// What a register holds while the detector has nothing to report: raw 65535 in both scales, outside every sensor's range.
const (
	noSpeed     = 6553.5
	noOccupancy = 655.35
)

// span is a stretch of time.
type span struct{ from, to time.Time }

// figures is models/figures.json: what training measured on the whole held-out part.
type figures struct {
	Split         string             `json:"split"`
	Threshold     float64            `json:"threshold"`
	ThresholdBack float64            `json:"threshold_back"`
	EventF1       map[string]float64 `json:"event_f1"`
	NextMAE       map[string]float64 `json:"next_mae"`
	HourMAE       map[string]float64 `json:"hour_mae"`
}

// replay is the stretch of the detectors' data that one demo plays: row i of the table is slot i.
type replay struct {
	times     []time.Time // of each row
	speed     []float64   // NaN: nothing reported
	occupancy []float64
	labels    []span // labelled incidents that lie wholly inside
	figures   figures
}

// anchor is the quiet time between the two labelled incidents of the held-out part: a new model is dropped in here, so that each of the two
// models meets one of them.
var anchor = time.Date(2015, 9, 16, 15, 10, 0, 0, time.UTC)

// newReplay reads the series and lays rows of them so that row middle is the anchor, or as near as the data allows. Only held-out data is
// played; when that ends, it begins again.
func newReplay(assets fs.FS, rows, middle int) (*replay, error) {
	r := &replay{}
	raw, err := fs.ReadFile(assets, "models/figures.json")
	if err == nil {
		err = json.Unmarshal(raw, &r.figures)
	}
	if err != nil {
		return nil, fmt.Errorf("demo: models/figures.json: %w", err)
	}
	split, err := time.Parse(time.DateTime, r.figures.Split)
	if err != nil {
		return nil, fmt.Errorf("demo: models/figures.json: split: %w", err)
	}
	speed, err := readSeries(assets, "data/speed_7578.csv")
	if err != nil {
		return nil, err
	}
	occupancy, err := readSeries(assets, "data/occupancy_6005.csv")
	if err != nil {
		return nil, err
	}
	labels, err := readLabels(assets, "realTraffic/speed_7578.csv")
	if err != nil {
		return nil, err
	}
	first := anchor.Add(-time.Duration(middle) * slotTime)
	if first.Before(split) {
		first = split
	}
	for t := first; len(r.times) < rows; t = t.Add(slotTime) {
		if t.After(speed.last) {
			t = split
		}
		r.times = append(r.times, t)
		r.speed = append(r.speed, speed.at(t))
		r.occupancy = append(r.occupancy, occupancy.at(t))
	}
	for _, l := range labels {
		if s, e := r.slot(l.from), r.slot(l.to); s >= 0 && e >= 0 {
			r.labels = append(r.labels, l)
		}
	}
	return r, nil
}

// slot is the first row at which t is played, -1 if it is not.
func (r *replay) slot(t time.Time) int {
	t = t.Truncate(slotTime)
	for i, x := range r.times {
		if x.Equal(t) {
			return i
		}
	}
	return -1
}

// table is the CSV that the simulated Modbus device replays.
func (r *replay) table() []byte {
	var b bytes.Buffer
	b.WriteString("speed,occupancy\n")
	cell := func(v, none float64) {
		if math.IsNaN(v) {
			v = none
		}
		b.WriteString(strconv.FormatFloat(v, 'f', -1, 64))
	}
	for i := range r.times {
		cell(r.speed[i], noSpeed)
		b.WriteByte(',')
		cell(r.occupancy[i], noOccupancy)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// series is one detector on the grid.
type series struct {
	values map[int64]float64 // slot number since 1970 → the last reading in it
	last   time.Time
}

func (s *series) at(t time.Time) float64 {
	if v, ok := s.values[slotNumber(t)]; ok {
		return v
	}
	return math.NaN()
}

func slotNumber(t time.Time) int64 { return t.Unix() / int64(slotTime/time.Second) }

func readSeries(assets fs.FS, name string) (*series, error) {
	f, err := assets.Open(name)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	t, err := table.Read(f, name)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	at, err := t.Column("timestamp")
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	values, err := t.Column("value")
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	if len(at) == 0 {
		return nil, fmt.Errorf("demo: %s has no rows", name)
	}
	s := &series{values: make(map[int64]float64, len(at))}
	for i := range at {
		when := time.Unix(int64(at[i]), 0).UTC()
		s.values[slotNumber(when)] = values[i]
		s.last = when
	}
	return s, nil
}

// readLabels reads the anomaly windows of one series out of data/labels.json.
func readLabels(assets fs.FS, series string) ([]span, error) {
	raw, err := fs.ReadFile(assets, "data/labels.json")
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	var all map[string][][2]string
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("demo: data/labels.json: %w", err)
	}
	var out []span
	for _, w := range all[series] {
		from, err := time.Parse("2006-01-02 15:04:05.999999999", w[0])
		if err != nil {
			return nil, fmt.Errorf("demo: data/labels.json: %w", err)
		}
		to, err := time.Parse("2006-01-02 15:04:05.999999999", w[1])
		if err != nil {
			return nil, fmt.Errorf("demo: data/labels.json: %w", err)
		}
		out = append(out, span{from, to})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("demo: data/labels.json has nothing on %s", series)
	}
	return out, nil
}
