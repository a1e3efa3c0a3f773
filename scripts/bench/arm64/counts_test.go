package main

import (
	"maps"
	"strings"
	"testing"
)

// qemuLog is cut from a log of qemu-aarch64-static 7.2 -d exec,nochain,in_asm: a block of four instructions that runs three times, one of two that runs once and is stopped once,
// and is then translated anew with one instruction.
const qemuLog = `----------------
IN: wayside/kernels/vec.add
0x001c7050:  f85f03a1  ldur     x1, [x29, #-0x10]
0x001c7054:  4f8ee210  sdot     v16.4s, v16.16b, v14.4b[0]
0x001c7058:  f1000421  subs     x1, x1, #1
0x001c705c:  54ffffa1  b.ne     #0x1c7050

Trace 0: 0x7fc5f480b600 [0000000000001001/00000000001c7050/00000001/00080200] wayside/kernels/vec.add
Trace 1: 0x7fc5f480b600 [0000000000001001/00000000001c7050/00000001/00080200] wayside/kernels/vec.add
----------------
IN: wayside/graph/ops.svdf[go.shape.int8]
0x00330130:  f9400b90  ldr      x16, [x28, #0x10]
0x00330134:  d65f03c0  ret      

Trace 0: 0x7fc5f480b7c0 [0000000000001001/0000000000330130/00000001/00080200] wayside/graph/ops.svdf[go.shape.int8]
Trace 0: 0x7fc5f480b7c0 [0000000000001001/0000000000330130/00000001/00080200] wayside/graph/ops.svdf[go.shape.int8]
Stopped execution of TB chain before 0x7fc5f480b7c0 [0000000000330130] wayside/graph/ops.svdf[go.shape.int8]
----------------
IN: wayside/graph/ops.svdf[go.shape.int8]
0x00330130:  f9400b90  ldr      x16, [x28, #0x10]

Trace 0: 0x7fc5f480b8c0 [0000000000001001/0000000000330130/00000001/00080200] wayside/graph/ops.svdf[go.shape.int8]
Trace 0: 0x7fc5f480b600 [0000000000001001/00000000001c7050/00000001/00080200] wayside/kernels/vec.add
`

func TestCountLog(t *testing.T) {
	got, err := countLog(strings.NewReader(qemuLog))
	if err != nil {
		t.Fatal(err)
	}
	if want := (counts{"wayside/kernels/vec.add": 12, "wayside/graph/ops.svdf[go.shape.int8]": 3}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got.all() != 15 || got.top(1)[0] != "wayside/kernels/vec.add" || len(got.top(9)) != 2 {
		t.Errorf("%d in all, most in %v", got.all(), got.top(9))
	}
}

func TestCountLogRefuses(t *testing.T) {
	for _, log := range []string{
		"Trace 0: 0x7fc5f480b600 [0000000000001001/00000000001c7050/00000001/00080200] wayside/kernels/vec.add\n", // never listed
		"Trace 0: 0x7fc5f480b600\n",
		"Trace 0: 0x7fc5f480b600 [1/x/1/1] f\n",
		"IN: f\n0xyz: ret\n",
	} {
		if got, err := countLog(strings.NewReader(log)); err == nil {
			t.Errorf("%q counts as %v", log, got)
		}
	}
}

func TestRanges(t *testing.T) {
	got, err := ranges([]byte(`   11000 t runtime.text
   20000 T wayside/kernels/internal/cpu.init
   20100 T wayside/kernels/gemm.(*Packed).Bytes
   20200 T wayside/kernels/gemm.s8NeonTiles.abi0
   20300 t s8NeonR4x4
   20400 T wayside/kernels/internal/peak.Rates
   20480 r wayside/kernels/vec.table
   20500 T wayside/kernels.Limit
   20600 T slices.Index[go.shape.[]*wayside/graph.buffer]
   20700 T wayside/graph/feed.init
   20800 T wayside/graph/ops.svdf[go.shape.int8]
   20900 T wayside/agent/config.Read
`))
	if want := "0x20000..0x203ff,0x20500..0x205ff,0x20800..0x208ff"; got != want || err != nil {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if got, err := ranges([]byte("11000 t runtime.text\n")); err == nil {
		t.Errorf("a program without kernels has %s", got)
	}
}

func TestCompare(t *testing.T) {
	const old = "# model cpu n\na cortex-a53 1000 5 2\nb cortex-a53 1000 5 2\nc cortex-a53 1000 5 2\n"
	const now = "a cortex-a53 1020 5 2\nb cortex-a53 1021 5 2\nd cortex-a53 900 5 2\n"
	var texts []string
	for _, err := range compare("f.txt", "instructions", old, now) {
		texts = append(texts, err.Error())
	}
	for _, want := range []string{"b on cortex-a53: 1021.0 instructions, 1000.0 before", "d on cortex-a53: not in f.txt", "c on cortex-a53: only in f.txt"} {
		if !strings.Contains(strings.Join(texts, "\n"), want) {
			t.Errorf("no %q in %q", want, texts)
		}
	}
	if len(texts) != 3 {
		t.Errorf("%d complaints: %q", len(texts), texts)
	}
}

func TestSameRows(t *testing.T) {
	for _, dtype := range []string{"int8", "float32"} {
		b, err := sameRows(dtype, []int{1, 3}, 3)
		if err != nil {
			t.Fatal(err)
		}
		size := map[string]int{"int8": 3, "float32": 12}[dtype]
		data := string(b[len(b)-3*size:])
		if (len(b)-3*size)%64 != 0 || data != strings.Repeat(data[:size], 3) || !strings.Contains(string(b), "'shape': (3,1,3,)") {
			t.Errorf("%s: %q", dtype, b)
		}
	}
	if _, err := sameRows("string", []int{1}, 1); err == nil {
		t.Error("samples of strings")
	}
}
