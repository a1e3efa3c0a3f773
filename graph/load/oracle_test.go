package load_test

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/graphtest"
	"wayside/graph/load"
	"wayside/kernels/par"
)

// minOracleCases keeps cases from getting lost.
const minOracleCases = 5500

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
			if strings.HasSuffix(c.Name, "_f32_limits") && runtime.GOARCH == "arm" && strings.HasSuffix(p.Steps()[0].Kernel, "/neon") {
				t.Skip("skipped: NEON of 32-bit ARM takes the subnormal floats of this case for zero")
			}
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
				ulp, ofMax := floatBound(p, &c)
				for i := range run.Out {
					if why := graphtest.Differ(s.Output(i), &run.Out[i], ulp, ofMax); why != "" {
						t.Errorf("run %d, output %d: %s", r, i, why)
					}
				}
			}
		})
	}
}

// TestThreads: threads that share every step they can compute the same integers as one, and floats as near: tiles of fewer rows sum in another order.
func TestThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	defer par.SetLeast(par.SetLeast(0))
	defer par.Set(1)
	for _, c := range graphtest.Cases(t) {
		t.Run(c.Family+"/"+c.Name, func(t *testing.T) {
			want := []graphtest.Array{}
			for _, threads := range []int{1, 3, 2} {
				par.Set(threads)
				p, err := load.Bytes(c.Model, c.Name, load.Options{})
				check(t, err)
				s, next := p.NewSession(), 0
				for r, run := range c.Runs {
					for i := range run.In {
						copy(s.Input(i).Data, run.In[i].Data)
					}
					check(t, s.Run())
					for i := range p.Outputs() {
						got := s.Output(i)
						if threads == 1 {
							want = append(want, graphtest.Array{DType: got.DType.String(), Shape: got.Shape, Data: slices.Clone(got.Data)})
						} else if why := graphtest.Differ(got, &want[next], tierULP, true); why != "" {
							t.Errorf("run %d, output %d: %d threads instead of one: %s", r, i, threads, why)
						}
						next++
					}
				}
			}
		})
	}
}

// tierULP bounds float outputs of kernels that fuse and split sums, in units in the last place of the output's largest value.
const tierULP = 8

// floatBound returns the bound of a case's float outputs: its own for the generic kernels, which sum as the reference does.
func floatBound(p *graph.Plan, c *graphtest.Case) (ulp int, ofMax bool) {
	for _, s := range p.Steps() {
		if s.Kernel != "view" && !strings.HasSuffix(s.Kernel, "/generic") {
			bound := max(c.ULP, tierULP)
			if strings.HasPrefix(s.Kernel, "vec.softmax/") && len(s.In) == 1 {
				// The reference adds a row one by one: its own rounding errors grow with the square root of the length.
				bound = max(bound, int(math.Sqrt(float64(s.In[0].Shape[len(s.In[0].Shape)-1]))))
			}
			return bound, true
		}
	}
	return c.ULP, c.OfMax
}
