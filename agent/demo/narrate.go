package demo

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"wayside/agent"
	"wayside/agent/config"
	"wayside/agent/pipeline"
	"wayside/agent/release"
)

// narrator tells what happens, line by line, in the replayed time.
type narrator struct {
	out   io.Writer
	color bool
	time  *timeline
	hist  *history
	hour  *config.Normalize // of the task that looks an hour ahead
	rules []config.Rule     // of the task that asks for the sign

	sign      config.Value
	lastStep  map[string]step
	nextSay   int            // row of the next regular line
	refusedAt map[string]int // reason word → row it was last told
	labelled  map[time.Time]bool
}

// Rows between two regular lines, and before the same refusal is told again.
const (
	sayEvery     = 12
	refusalEvery = 24
)

type tint string

const (
	plain  tint = ""
	dim    tint = "\x1b[2m"
	red    tint = "\x1b[31m"
	green  tint = "\x1b[32m"
	yellow tint = "\x1b[33m"
	bold   tint = "\x1b[1m"
)

func newNarrator(out io.Writer, color bool, t *timeline, h *history, cfg *config.Config) *narrator {
	n := &narrator{out: out, color: color, time: t, hist: h, lastStep: map[string]step{}, refusedAt: map[string]int{},
		labelled: map[time.Time]bool{}}
	if t := cfg.Task(taskHour); t != nil {
		n.hour = t.Normalize
	}
	if t := cfg.Task(taskIncident); t != nil {
		n.rules = t.Rules
	}
	return n
}

// say writes one line. What cannot be written is lost: the demo goes on.
func (n *narrator) say(c tint, format string, a ...any) {
	text := fmt.Sprintf(format, a...)
	if n.color && c != plain {
		text = string(c) + text + "\x1b[0m"
	}
	_, _ = fmt.Fprintln(n.out, text)
}

func (n *narrator) at(c tint, boot time.Duration, format string, a ...any) {
	n.say(c, "%s  %s", n.time.when(boot).Format("Mon 2 Jan 15:04"), fmt.Sprintf(format, a...))
}

func (n *narrator) listener() listener {
	return listener{step: n.step, refused: n.refused, release: n.release, change: n.change}
}

// step tells a regular line now and then, and where a labelled incident begins and ends.
func (n *narrator) step(s step) {
	n.lastStep[s.Task] = s
	if s.Task != taskIncident {
		return
	}
	row := n.time.row(s.at)
	now := n.time.r.times[row]
	for _, l := range n.time.r.labels {
		if !now.Before(l.from) && !now.After(l.to) && !n.labelled[l.from] {
			n.labelled[l.from] = true
			n.at(dim, s.at, "-- until %s the data's makers label this stretch: incident", l.to.Format("15:04"))
		}
	}
	if row < n.nextSay {
		return
	}
	n.nextSay = row + sayEvery
	n.at(plain, s.at, "%s", n.line(s))
}

// line is the regular line: speed, score, sign, and what the next hour looks like.
func (n *narrator) line(s step) string {
	var b strings.Builder
	if len(s.Inputs) > 0 && s.Inputs[0].Boot > 0 {
		fmt.Fprintf(&b, "%3.0f mph  ", s.Inputs[0].Value)
	} else {
		b.WriteString("  - mph  ")
	}
	if s.OK {
		fmt.Fprintf(&b, "score %.2f %-10s  ", s.Score, strings.Repeat("#", int(s.Score*10+0.5)))
	} else {
		fmt.Fprintf(&b, "%-21s  ", "no decision")
	}
	fmt.Fprintf(&b, "sign %-3s", n.sign)
	if h := n.lastStep[taskHour]; n.hour != nil && len(h.Outputs) > 0 && len(h.Inputs) > 0 {
		last := len(h.Outputs) - 1
		fmt.Fprintf(&b, "  occupancy %.1f %%, in an hour %.1f %%", h.Inputs[0].Value, float64(h.Outputs[last])*n.hour.Std[0]+n.hour.Mean[0])
	}
	if !s.OK {
		why, _, _ := strings.Cut(s.Reason, " (")
		fmt.Fprintf(&b, "  (%s)", replayedTimes(why))
	}
	return b.String()
}

var duration = regexp.MustCompile(`\b[0-9][0-9.]*(ns|µs|ms|s|m|h)([0-9][0-9.]*(ns|µs|ms|s|m))*\b`)

// replayedTimes turns the durations in a text of worker or guardian, which know no time scale, into replayed time.
func replayedTimes(text string) string {
	return duration.ReplaceAllStringFunc(text, func(s string) string {
		d, err := time.ParseDuration(s)
		if err != nil {
			return s
		}
		s = time.Duration(float64(d) * speed).Round(time.Minute).String()
		if len(s) > 2 && strings.HasSuffix(s, "m0s") {
			s = strings.TrimSuffix(s, "0s")
		}
		return s
	})
}

// change tells that the sign went on or off, and why.
func (n *narrator) change(c change) {
	if c.Output != outputSign || c.To == nil {
		return
	}
	if c.Error != "" {
		n.at(red, c.at, "sign %s FAILED: %s", *c.To, c.Error)
		return
	}
	n.sign = *c.To
	tone := green
	if n.sign == config.On {
		tone = yellow
	}
	why := c.Reason
	if why == "" {
		why = c.Rule
	}
	if d, ok := n.hist.decisions[c.Decision]; ok && c.Rule == "request" {
		why = fmt.Sprintf("%s by rule %s (%s, model %s %s)", n.crossed(d), d.Rule, values(d.Inputs), d.Model, d.Version)
	}
	n.at(tone, c.at, "SIGN %-3s  %s", strings.ToUpper(n.sign.String()), replayedTimes(why))
}

// crossed says which threshold the score passed.
func (n *narrator) crossed(d pipeline.Decision) string {
	for _, r := range n.rules {
		if r.Name != d.Rule || r.OnAbove == nil || r.OffBelow == nil {
			continue
		}
		word, limit := "above", *r.OnAbove
		if d.Want == config.Off.String() {
			word, limit = "below", *r.OffBelow
		}
		return fmt.Sprintf("score %.2f is %s %g", d.Score, word, limit)
	}
	return fmt.Sprintf("score %.2f", d.Score)
}

func values(in []pipeline.Input) string {
	var parts []string
	for _, i := range in {
		parts = append(parts, fmt.Sprintf("%s %.4g", i.Sensor, i.Value))
	}
	return strings.Join(parts, ", ")
}

// refused tells that the guardian said no; the same reason not again for a while.
func (n *narrator) refused(at time.Duration, d pipeline.Decision, r agent.ReplyRecord) {
	reason := r.Reason
	if r.Error != "" {
		reason = "no answer: " + r.Error
	}
	word, _, _ := strings.Cut(reason, ":")
	row := n.time.row(at)
	if last, told := n.refusedAt[word]; told && row-last < refusalEvery {
		return
	}
	n.refusedAt[word] = row
	n.at(yellow, at, "guardian refuses %s %s: %s", d.Output, d.Want, replayedTimes(reason))
}

// release tells what becomes of a dropped model.
func (n *narrator) release(e releaseAt) {
	name := strings.TrimSpace(e.Model + " " + e.Version)
	if name == "" {
		name = e.Folder
	}
	switch e.State {
	case release.Seen:
		n.at(plain, e.at, "MODEL %s was dropped into the release folder", name)
	case release.Swapped:
		n.at(green, e.at, "MODEL %s TAKEN: hashes hold, it agrees with its golden values and behaves; in probation from this step on", name)
	case release.Confirmed:
		n.at(green, e.at, "MODEL %s confirmed", name)
	case release.Refused:
		why := e.Reason
		if strings.HasPrefix(why, "incomplete after ") {
			why = replayedTimes(why)
		}
		n.at(red, e.at, "MODEL %s REFUSED: %s", name, why)
	case release.RolledBack:
		n.at(red, e.at, "MODEL %s ROLLED BACK: %s", name, e.Reason)
	}
}
