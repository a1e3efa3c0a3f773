// Command testsummary reads the output of `go test -json` on standard input and prints it for people: each failure with its output, then each
// reason for a skip with how many tests gave it, and last one line of totals. It fails if any test failed or none ran, so that a
// green run always means that something was tested.
//
// Usage: go test -json ./... | go run ./scripts/testsummary
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"sort"
	"strings"
)

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
}

// position is what t.Skip and t.Log print before their text.
var position = regexp.MustCompile(`^\s*[\w.-]+\.go:\d+: `)

func main() {
	code, err := summarize(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
		code = 1
	}
	os.Exit(code)
}

// summarize copies what matters from in to out and returns the exit code.
func summarize(in io.Reader, out io.Writer) (int, error) {
	var (
		passed, failed, skipped int
		broken                  []string // packages that failed without a failing test: they did not build, or ended early
		failedIn                = map[string]bool{}
		output                  = map[string][]string{} // by package and test, until it ends
		reasons                 = map[string]int{}
	)
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 4<<20)
	for sc.Scan() {
		var e event
		if json.Unmarshal(sc.Bytes(), &e) != nil || e.Action == "" {
			fmt.Fprintln(out, sc.Text()) // not an event: the toolchain's own words
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "build-output":
			fmt.Fprint(out, e.Output)
		case "output":
			output[key] = append(output[key], e.Output)
			// A benchmark's or a suite's own account, marked by its first word, is for people too.
			if strings.HasPrefix(position.ReplaceAllString(e.Output, ""), "figure: ") {
				fmt.Fprint(out, position.ReplaceAllString(e.Output, ""))
			}
		case "pass", "skip", "fail":
			if e.Test == "" {
				if e.Action == "fail" && !failedIn[e.Package] {
					broken = append(broken, e.Package)
					fmt.Fprintf(out, "FAIL %s\n%s", e.Package, strings.Join(output[key], ""))
				}
				if e.Action == "pass" {
					fmt.Fprintf(out, "ok  \t%s\t%.2fs\n", e.Package, e.Elapsed)
				}
				break
			}
			switch e.Action {
			case "pass":
				passed++
			case "skip":
				skipped++
				reasons[reason(output[key])]++
			case "fail":
				failed++
				failedIn[e.Package] = true
				fmt.Fprintf(out, "--- FAIL: %s %s (%.2fs)\n%s", e.Package, e.Test, e.Elapsed, strings.Join(output[key], ""))
			}
			delete(output, key)
		}
	}
	if err := sc.Err(); err != nil {
		return 1, err
	}
	list := make([]string, 0, len(reasons))
	for r := range reasons {
		list = append(list, r)
	}
	sort.Strings(list)
	for _, r := range list {
		fmt.Fprintf(out, "skipped %d: %s\n", reasons[r], r)
	}
	for _, p := range broken {
		fmt.Fprintf(out, "FAIL\t%s\n", p)
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", passed, failed+len(broken), skipped)
	if failed+len(broken) > 0 || passed == 0 {
		return 1, nil
	}
	return 0, nil
}

// reason is the text given to t.Skip: the last line that is not the test runner's own.
func reason(lines []string) string {
	for i := len(lines) - 1; i >= 0; i-- {
		l := strings.TrimSpace(lines[i])
		if l == "" || strings.HasPrefix(l, "---") || strings.HasPrefix(l, "===") {
			continue
		}
		return position.ReplaceAllString(l, "")
	}
	return "no reason given"
}
