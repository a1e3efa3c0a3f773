package load_test

import (
	"testing"

	"wayside/graph/graphtest"
	"wayside/graph/load"
)

// minOracleCases keeps cases from getting lost.
const minOracleCases = 170

// TestTFLiteOracle runs small models whose outputs a reference implementation has computed: integer outputs must be equal, float
// outputs within the stated number of units in the last place.
func TestTFLiteOracle(t *testing.T) {
	cases := graphtest.Cases(t)
	if len(cases) < minOracleCases {
		t.Errorf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Family+"/"+c.Name, func(t *testing.T) {
			p, err := load.Bytes(c.Model, c.Name, load.Options{})
			check(t, err)
			s := p.NewSession()
			for r, run := range c.Runs {
				for i := range run.In {
					in := s.Input(i)
					if in.DType.String() != run.In[i].DType || copy(in.Data, run.In[i].Data) != len(in.Data) {
						t.Fatalf("input %d is %s%v, the case has %s%v", i, in.DType, in.Shape, run.In[i].DType, run.In[i].Shape)
					}
				}
				check(t, s.Run())
				if len(p.Outputs()) != len(run.Out) {
					t.Fatalf("%d outputs instead of %d", len(p.Outputs()), len(run.Out))
				}
				for i := range run.Out {
					if why := graphtest.Differ(s.Output(i), &run.Out[i], c.ULP, c.OfMax); why != "" {
						t.Errorf("run %d, output %d: %s", r, i, why)
					}
				}
			}
		})
	}
}
