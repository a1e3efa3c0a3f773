package load_test

import (
	"testing"

	"wayside/graph/graphtest"
	"wayside/graph/load"
)

// TestUnaryAllocations runs every golden case of operators with one input a second time: nothing may be allocated.
func TestUnaryAllocations(t *testing.T) {
	for _, c := range graphtest.Cases(t, "unary", "quantize", "softmax") {
		p, err := load.Bytes(c.Model, c.Name, load.Options{})
		check(t, err)
		s := p.NewSession()
		for i := range c.Runs[0].In {
			copy(s.Input(i).Data, c.Runs[0].In[i].Data)
		}
		least := 1.0
		for range 5 { // the runtime allocates now and then
			if least = min(least, testing.AllocsPerRun(1, func() { err = s.Run() })); least == 0 {
				break
			}
		}
		check(t, err)
		if least != 0 {
			t.Errorf("%s/%s: %v allocations", c.Family, c.Name, least)
		}
	}
}
