package cpu

import "testing"

func TestLimit(t *testing.T) {
	defer func() {
		if err := Limit(""); err != nil {
			t.Error(err)
		}
	}()
	for _, top := range Tiers() {
		if err := Limit(top.String()); err != nil {
			t.Fatal(err)
		}
		for _, x := range Tiers() {
			if want := Supported(x) && x <= top; Has(x) != want {
				t.Errorf("limit %s: Has(%s) = %v", top, x, Has(x))
			}
		}
		if b := Best(); b > top {
			t.Errorf("limit %s: best is %s", top, b)
		}
	}
	if err := Limit("mmx"); err == nil {
		t.Error("an unknown tier is accepted")
	}
	if !Has(Generic) {
		t.Error("generic is not always there")
	}
}
