package main

import (
	"bytes"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestArmv7Words compares encodings with those that LLVM gave, on machines without it, too.
func TestArmv7Words(t *testing.T) {
	a := armv7{&asm{}}
	for want, write := range map[string]func(){
		"0xf2c00c08 // vmull.s8 q8, d0, d8":            func() { a.vmull(8, 0, 8) },
		"0xf3f42660 // vpadal.s16 q9, q8":              func() { a.vpadal(9, 8) },
		"0xf3220b44 // vqrdmulh.s32 q0, q1, q2":        func() { a.vqrdmulh(0, 1, 2) },
		"0xf4210a02 // vld1.8 {d0, d1}, [r1], r2":      func() { a.loadB(0, 2, 1, 2) },
		"0xf423420d // vld1.8 {d4, d5, d6, d7}, [r3]!": func() { a.loadB(4, 4, 3, moved) },
	} {
		a.Reset()
		if write(); strings.TrimSpace(a.String()) != "WORD $"+want {
			t.Errorf("%s is not %s", strings.TrimSpace(a.String()), want)
		}
	}
	for name, write := range map[string]func(){
		"quadword 16":      func() { a.zero(16) },
		"doubleword 32":    func() { a.loadB(30, 3, 1, stay) },
		"an element of q8": func() { a.fmlaElem(0, 0, 8, 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is accepted", name)
				}
			}()
			write()
		}()
	}
}

// TestArmv7Assembly has LLVM assemble the mnemonic beside every word of the generated files and compares.
func TestArmv7Assembly(t *testing.T) {
	llvm, err := exec.LookPath("llvm-mc-19")
	if err != nil {
		t.Skip("skipped: no llvm-mc-19; apt-get install llvm-19")
	}
	var words, lines []string
	seen := make(map[string]bool)
	for name, generate := range files {
		if !strings.HasSuffix(name, "_arm.s") {
			continue
		}
		for _, m := range wordLine.FindAllStringSubmatch(string(generate()), -1) {
			if !seen[m[0]] {
				seen[m[0]], words, lines = true, append(words, m[1]), append(lines, m[2])
			}
		}
	}
	c := exec.CommandContext(t.Context(), llvm, "-triple=armv7", "-mattr=+neon,-vfp4", "-show-encoding")
	c.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var failed bytes.Buffer
	c.Stderr = &failed
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &failed)
	}
	bytesOfWord := regexp.MustCompile(`encoding: \[0x(..),0x(..),0x(..),0x(..)\]`)
	all := bytesOfWord.FindAllStringSubmatch(string(out), -1)
	if len(all) != len(words) || len(words) < 100 {
		t.Fatalf("%d of %d words were assembled", len(all), len(words))
	}
	for i, m := range all {
		if want := m[4] + m[3] + m[2] + m[1]; words[i] != want {
			t.Errorf("%s is %s, the word beside it is %s", strconv.Quote(lines[i]), want, words[i])
		}
	}
}
