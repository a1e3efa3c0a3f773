package config

import (
	"reflect"
	"sort"

	"wayside/hal"
)

// Change is what a reload has to do with the elements of one kind, by name, each list sorted.
type Change struct {
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Changed []string `json:"changed,omitempty"`
}

// Empty reports whether nothing changed.
func (c Change) Empty() bool { return len(c.Added)+len(c.Removed)+len(c.Changed) == 0 }

// Changes is the difference between two files. An element counts as changed when a thing it is made from changed too:
// a sensor with its bus, a task with its sensors and model, an interlock with its sensor.
type Changes struct {
	Site       bool   `json:"site,omitempty"`
	Agent      bool   `json:"agent,omitempty"`
	Guard      bool   `json:"guard,omitempty"`
	Buses      Change `json:"bus,omitzero"`
	Sensors    Change `json:"sensor,omitzero"`
	Models     Change `json:"model,omitzero"`
	Tasks      Change `json:"task,omitzero"`
	Outputs    Change `json:"output,omitzero"`
	Interlocks Change `json:"interlock,omitzero"`
}

// Empty reports whether the two files mean the same.
func (c Changes) Empty() bool { return reflect.DeepEqual(c, Changes{}) }

// Diff compares two loaded files. Both must come from Load.
func Diff(old, new *Config) Changes {
	moved := old.Dir != new.Dir // every relative path means another file
	ch := Changes{
		Site:  moved || old.Site != new.Site,
		Agent: moved || old.Agent != new.Agent,
		Guard: moved || old.Guard != new.Guard,
	}
	ch.Buses = diff(old.Buses, new.Buses, func(a, b *Bus) bool {
		return !moved && a.Kind == b.Kind && reflect.DeepEqual(a.Settings, b.Settings)
	})
	ch.Sensors = diff(old.Sensors, new.Sensors, func(a, b *Sensor) bool {
		x, y := *a, *b
		x.Def, y.Def = noSensor, noSensor
		return !moved && reflect.DeepEqual(x, y) && !contains(ch.Buses.Changed, a.Bus)
	})
	ch.Models = diff(old.Models, new.Models, func(a, b *Model) bool { return !moved && reflect.DeepEqual(a, b) })
	ch.Tasks = diff(old.Tasks, new.Tasks, func(a, b *Task) bool {
		if !reflect.DeepEqual(a, b) || contains(ch.Models.Changed, a.Model) {
			return false
		}
		for _, s := range a.Sensors {
			if contains(ch.Sensors.Changed, s) {
				return false
			}
		}
		return true
	})
	ch.Outputs = diff(old.Outputs, new.Outputs, func(a, b *Output) bool {
		x, y := *a, *b
		x.Def, y.Def = noOutput, noOutput
		return !moved && reflect.DeepEqual(x, y)
	})
	ch.Interlocks = diff(old.Interlocks, new.Interlocks, func(a, b *Interlock) bool {
		return *a == *b && !contains(ch.Sensors.Changed, a.Cond.Sensor)
	})
	return ch
}

func diff[T any, P interface {
	*T
	named
}](old, new []T, same func(a, b *T) bool) Change {
	var ch Change
	for i := range new {
		n := P(&new[i])
		o := find[T, P](old, n.id())
		switch {
		case o == nil:
			ch.Added = append(ch.Added, n.id())
		case !same((*T)(o), (*T)(n)):
			ch.Changed = append(ch.Changed, n.id())
		}
	}
	for i := range old {
		if o := P(&old[i]); find[T, P](new, o.id()) == nil {
			ch.Removed = append(ch.Removed, o.id())
		}
	}
	sort.Strings(ch.Added)
	sort.Strings(ch.Removed)
	sort.Strings(ch.Changed)
	return ch
}

// Driver definitions hold functions, which never compare equal; the driver's name is compared instead.
var (
	noSensor hal.SensorDriver
	noOutput hal.OutputDriver
)
