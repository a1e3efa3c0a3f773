package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestArm64Words compares encodings with those that GNU binutils and LLVM gave, on machines without either, too.
func TestArm64Words(t *testing.T) {
	a := arm64{&asm{}}
	for want, write := range map[uint32]func(){
		0x4F80E110: func() { a.sdotElem(16, 8, 0, 0) },
		0x4E88A410: func() { a.smmla(16, 0, 8) },
		0x0E20C082: func() { a.smull(2, 4, 0) },
		0x4E20C082: func() { a.smull2(2, 4, 0) },
		0x0E268102: func() { a.smlal(2, 8, 6) },
		0x0E621210: func() { a.saddw(16, 16, 2) },
		0x4E621210: func() { a.saddw2(16, 16, 2) },
		0x4E606850: func() { a.sadalp(16, 2) },
		0x6EA7B400: func() { a.sqrdmulh(0, 0, 7) },
		0x4EA55400: func() { a.srshl(0, 0, 5) },
		0x0E614820: func() { a.sqxtn4h(0, 1) },
		0x4E614820: func() { a.sqxtn8h(0, 1) },
		0x0E214820: func() { a.sqxtn8b(0, 1) },
		0x4E650C00: func() { a.sqadd8h(0, 0, 5) },
		0x4E216400: func() { a.smax(0, 0, 1) },
		0x4E216C00: func() { a.smin(0, 0, 1) },
		0x4F841010: func() { a.fmlaElem(16, 0, 4, 0) },
		0x4E24D400: func() { a.fadd(0, 0, 4) },
		0x4E24F400: func() { a.fmax(0, 0, 4) },
		0x4EA4F400: func() { a.fmin(0, 0, 4) },
		0x4F845010: func() { a.fmlsElem(16, 0, 4, 0) },
		0x4F849010: func() { a.fmulElem(16, 0, 4, 0) },
		0x3CA26820: func() { a.strq(0, 1, 2) },
		0x6F343440: func() { a.ursra12(0, 2) },
		0x4EA50C00: func() { a.sqadd4s(0, 0, 5) },
	} {
		a.Reset()
		write()
		if want := fmt.Sprintf("WORD $0x%08x ", want); !strings.Contains(a.String(), want) {
			t.Errorf("%s is not %s", strings.TrimSpace(a.String()), want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("register 32 is accepted")
		}
	}()
	a.smull(0, 32, 0)
}

var (
	wordLine = regexp.MustCompile(`WORD \$0x([0-9a-f]{8}) // (.*)`)
	dumpLine = regexp.MustCompile(`^ *[0-9a-f]+:\t([0-9a-f]{8}) \t(.*)`)
)

// TestArm64Disassembly has binutils disassemble every word of the generated files and compares with the mnemonic beside it.
func TestArm64Disassembly(t *testing.T) {
	objdump, err := exec.LookPath("aarch64-linux-gnu-objdump")
	if err != nil {
		t.Skip("skipped: no aarch64-linux-gnu-objdump; apt-get install binutils-aarch64-linux-gnu")
	}
	words := make(map[uint32]string)
	var image []byte
	for name, generate := range files {
		if !strings.HasSuffix(name, "_arm64.s") {
			continue
		}
		for _, m := range wordLine.FindAllStringSubmatch(string(generate()), -1) {
			w, err := strconv.ParseUint(m[1], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			old, seen := words[uint32(w)]
			if !seen {
				image = binary.LittleEndian.AppendUint32(image, uint32(w))
			} else if old != m[2] {
				t.Errorf("%s: %08x is %q here and %q elsewhere", name, w, m[2], old)
			}
			words[uint32(w)] = m[2]
		}
	}
	file := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(file, image, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), objdump, "-D", "-z", "-b", "binary", "-m", "aarch64", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for line := range strings.Lines(string(out)) {
		m := dumpLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		w, err := strconv.ParseUint(m[1], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		checked++
		if got, want := strings.Join(strings.Fields(m[2]), " "), words[uint32(w)]; got != want {
			t.Errorf("%08x is %q, its comment says %q", w, got, want)
		}
	}
	if checked != len(words) || checked < 500 {
		t.Errorf("%d of %d words were disassembled", checked, len(words))
	}
}
