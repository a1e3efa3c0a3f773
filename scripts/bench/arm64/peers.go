package main

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// The peer is LiteRT's wheel for arm64, with XNNPACK, ruy and TensorFlow Lite's own kernels in one library. Its kernels have no names: their loops are known by
// the instructions that multiply.
const (
	peerPackage = "ai-edge-litert"
	peerVersion = "2.3.0"
	peerLibrary = "ai_edge_litert/libpywrap_litert_common.so"
)

// job is what one of our loops and loops of the peer's do alike.
type job struct {
	name, ours string
	like       func(m muls) (macs int) // of a turn of a peer's loop that does this; 0: it does not
}

// muls is what the multiplications of a loop look like.
type muls struct {
	macs map[string]int // by kind
	sums int            // registers that they add to
	wide bool           // SADALP adds pairs of products to sums
	rows bool           // there are more of them than vectors that are loaded: a vector of weights serves several rows
}

var jobs = []job{
	{"int8 tile without dot product", "s8NeonR4x4", func(m muls) int {
		return either(m.wide && m.sums >= 16, m.macs["smlal.8h"]) + either(m.sums >= 16, m.macs["smlal lane"])
	}},
	{"the same, weights of -128, too", "s8NeonWideR4x4", func(m muls) int { return either(m.sums >= 16, m.macs["smlal lane"]) }},
	{"one row of it", "s8NeonR1x4", func(m muls) int {
		return either(m.wide && m.sums <= 8 && m.sums >= 4, m.macs["smlal.8h"]) + either(m.sums <= 4, m.macs["smlal lane"])
	}},
	{"int8 tile with dot product", "s8DotprodR8x8", func(m muls) int { return either(m.sums >= 16, m.macs["sdot"]) }},
	{"one row of it", "s8DotprodR1x8", func(m muls) int { return either(m.sums <= 8 && !m.rows, m.macs["sdot"]) }},
	{"float32 tile", "f32NeonR8x8", func(m muls) int { return either(m.sums >= 12, m.macs["fmla lane"]) }},
	{"the same on ARMv8.2", "f32MixedR8x8", func(m muls) int { return either(m.sums >= 12, m.macs["fmla lane"]) }},
	{"one row of it", "f32NeonR1x8", func(m muls) int { return either(m.sums <= 8 && !m.rows, m.macs["fmla lane"]) }},
	{"depthwise int8, nine taps", "dwS8x16Nine", func(m muls) int {
		if m.wide {
			return 0
		}
		return either(m.macs["smlal"]%72 == 0, m.macs["smlal"]) + either(m.macs["smlal.8h"]%72 == 0, m.macs["smlal.8h"])
	}},
	{"depthwise float32, nine taps", "dwF32x16Nine", func(m muls) int { return either(m.macs["fmla"]%36 == 0, m.macs["fmla"]) }},
}

func either(is bool, macs int) int {
	if is {
		return macs
	}
	return 0
}

// count looks at the multiplications of a loop.
func count(body []string) muls {
	m := muls{macs: make(map[string]int)}
	sums := make(map[string]bool)
	loaded, used := 0, 0 // vectors, and multiplications that take them
	for _, text := range body {
		op, rest, _ := strings.Cut(text, " ")
		to, _, _ := strings.Cut(rest, ",")
		lane := ""
		if strings.HasSuffix(text, "]") {
			lane = " lane"
		}
		switch {
		case op == "ldr" && (to[0] == 'q' || to[0] == 'd'):
			loaded++
		case op == "ldp" && to[0] == 'q':
			loaded += 2
		case op == "ld1":
			loaded += strings.Count(rest, "v")
			if from, last, ok := strings.Cut(rest, " - v"); ok { // a range
				var a, b int
				_, _ = fmt.Sscanf(from, "{ v%d.", &a)
				_, _ = fmt.Sscanf(last, "%d.", &b)
				loaded += b - a - 1
			}
		}
		switch {
		case op == "sdot" && strings.HasSuffix(to, ".4s"):
			m.macs["sdot"] += 16
			used++
		case strings.HasPrefix(op, "smlal") && strings.HasSuffix(to, ".4s"):
			m.macs["smlal"+lane] += 4
		case strings.HasPrefix(op, "smull") && strings.HasSuffix(to, ".4s"):
			m.macs["smlal"+lane] += 4
			continue
		case (strings.HasPrefix(op, "smlal") || strings.HasPrefix(op, "smull")) && strings.HasSuffix(to, ".8h"):
			m.macs["smlal.8h"] += 8
			continue
		case op == "sadalp" && strings.HasSuffix(to, ".4s"):
			m.wide = true
		case op == "fmla" && strings.HasSuffix(to, ".4s"):
			m.macs["fmla"+lane] += 4
			used++
		default:
			continue
		}
		sums[to] = true
	}
	m.sums, m.rows = len(sums), used > loaded
	return m
}

// comparePeers prints, for each job and model, our loop beside the peer's fastest. It returns an error for each row of an int8 tile on cortex-a53 and
// cortex-a72 in which the peer's takes fewer cycles for a multiply-add.
func comparePeers(ours map[string]float64) error {
	library, err := fetchPeer()
	if err != nil {
		return err
	}
	all, err := loops(library)
	if err != nil {
		return err
	}
	fmt.Printf("\n# Multiply-adds per model cycle, ours beside the fastest loop of %s %s that does the same; its kernels are chosen by other things, too.\n", peerPackage, peerVersion)
	fmt.Printf("# %-30s %-16s %-12s %7s %7s %7s  %s\n", "job", "ours", "model", "ours", "peer's", "ratio", "peer's loop")
	slices.SortFunc(all, func(a, b loop) int { return slices.Compare(a.body, b.body) })
	all = slices.CompactFunc(all, func(a, b loop) bool { return slices.Equal(a.body, b.body) })
	var bad []error
	for _, j := range jobs {
		for _, core := range cores {
			mine, ok := ours[j.ours+" on "+core]
			if !ok {
				continue
			}
			best, what := 0.0, ""
			for _, l := range all {
				m := count(l.body)
				macs := j.like(m)
				if macs < 64 {
					continue // the rest of a row, or part of something else
				}
				cycles, _, err := model(strings.Join(l.body, "\n")+"\n", core)
				if err != nil {
					return fmt.Errorf("%s at %#x: %w", peerLibrary, l.at, err)
				}
				if v := float64(macs) / cycles; v > best {
					best, what = v, fmt.Sprintf("at %#x: %d multiply-adds, %d sums", l.at, macs, m.sums)
				}
			}
			fmt.Printf("%-32s %-16s %-12s %7.2f %7.2f %7.2f  %s\n", j.name, j.ours, core, mine, best, mine/best, what)
			if j.ours == "s8NeonR4x4" && (core == "cortex-a53" || core == "cortex-a72") && mine < best/slack {
				bad = append(bad, fmt.Errorf("%s on %s: %.2f multiply-adds per model cycle, the peer has %.2f", j.ours, core, mine, best))
			}
		}
	}
	return errors.Join(bad...)
}

// fetchPeer returns the path of the peer's library, downloaded once into the user's cache.
func fetchPeer() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "wayside-bench", peerPackage+"-"+peerVersion+"-aarch64")
	library := filepath.Join(dir, filepath.Base(peerLibrary))
	if _, err := os.Stat(library); err == nil {
		return library, nil
	}
	pip := exec.Command("python3", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.11", "--dest="+dir,
		"--platform=manylinux_2_27_aarch64", peerPackage+"=="+peerVersion)
	pip.Stdout, pip.Stderr = os.Stderr, os.Stderr
	if err := pip.Run(); err != nil {
		return "", fmt.Errorf("pip download: %w", err)
	}
	wheels, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return "", fmt.Errorf("%s holds %d wheels", dir, len(wheels))
	}
	wheel, err := zip.OpenReader(wheels[0])
	if err != nil {
		return "", err
	}
	defer wheel.Close()
	in, err := wheel.Open(peerLibrary)
	if err != nil {
		return "", err
	}
	defer in.Close()
	data, err := io.ReadAll(in)
	if err != nil {
		return "", err
	}
	return library, os.WriteFile(library, data, 0o600)
}
