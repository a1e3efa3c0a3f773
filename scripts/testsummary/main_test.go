package main

import (
	"strings"
	"testing"
)

func TestSummarize(t *testing.T) {
	for _, c := range []struct {
		name, in string
		code     int
		want     []string
	}{
		{"pass and skip", `{"Action":"pass","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"B","Output":"    b_test.go:7: no ../shared here\n"}
{"Action":"output","Package":"p","Test":"B","Output":"--- SKIP: B (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"B"}
{"Action":"pass","Package":"p"}`, 0, []string{"ok  \tp", "skipped 1: no ../shared here", "1 passed, 0 failed, 1 skipped"}},
		{"fail", `{"Action":"output","Package":"p","Test":"A","Output":"a_test.go:1: got 2\n"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}`, 1, []string{"got 2", "0 passed, 1 failed, 0 skipped"}},
		{"does not build", `{"ImportPath":"p","Action":"build-output","Output":"undefined: x\n"}
{"Action":"pass","Package":"q","Test":"A"}
{"Action":"fail","Package":"p"}`, 1, []string{"undefined: x", "FAIL\tp", "1 passed, 1 failed"}},
		{"nothing ran", `{"Action":"pass","Package":"p"}`, 1, []string{"0 passed, 0 failed"}},
		{"all skipped", `{"Action":"skip","Package":"p","Test":"A"}`, 1, []string{"skipped 1: no reason given"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			code, err := summarize(strings.NewReader(c.in), &out)
			if err != nil || code != c.code {
				t.Errorf("code %d, error %v, want code %d", code, err, c.code)
			}
			for _, w := range c.want {
				if !strings.Contains(out.String(), w) {
					t.Errorf("no %q in\n%s", w, out.String())
				}
			}
		})
	}
}
