package kernels

import (
	"slices"
	"strings"
	"testing"
)

// TestVariants: each shape has the generic kernel first and one chosen kernel, all run, and the limit stays as it was.
func TestVariants(t *testing.T) {
	defer func() {
		if err := Limit(""); err != nil {
			t.Error(err)
		}
	}()
	names, has := Tiers()
	for i, limit := range names {
		if !has[i] {
			t.Logf("%s: this machine does not have it", limit)
			continue
		}
		if err := Limit(limit); err != nil {
			t.Fatal(err)
		}
		all := Variants()
		if Best() != limit {
			t.Errorf("limit %s: it is %s afterwards", limit, Best())
		}
		chosen, works := map[string]string{}, []string{}
		for _, v := range all {
			if !slices.Contains(works, v.Work) {
				works = append(works, v.Work)
				if v.Tier != "generic" || !strings.HasSuffix(v.ID, "/generic") {
					t.Errorf("%s: the first kernel is %s of tier %s", v.Work, v.ID, v.Tier)
				}
			}
			if v.Chosen {
				if chosen[v.Work] != "" {
					t.Errorf("limit %s: %s has two chosen kernels, %s and %s", limit, v.Work, chosen[v.Work], v.ID)
				}
				chosen[v.Work] = v.ID
				if slices.Index(names, v.Tier) > i {
					t.Errorf("limit %s: %s of tier %s is chosen for %s", limit, v.ID, v.Tier, v.Work)
				}
			}
			if (v.MACs > 0) == (v.Elems > 0) || strings.Count(v.ID, "/") < 2 {
				t.Errorf("%s: %s, %d multiply-accumulates, %d elements", v.Work, v.ID, v.MACs, v.Elems)
			}
			v.Run(1)
			if Best() != limit {
				t.Fatalf("limit %s: running %s made it %s", limit, v.ID, Best())
			}
		}
		if len(chosen) != len(works) {
			t.Errorf("limit %s: %d of %d shapes have a chosen kernel", limit, len(chosen), len(works))
		}
	}
}
