#!/usr/bin/env bash
# Usage: scripts/test-arm.sh
# Runs the tests of the kernels for 32-bit ARM under qemu-user: with NEON on a Cortex-A7, whose tier is the only one tested, since the portable kernels have run
# elsewhere; and that code for ARMv6, which has the same NEON kernels in it, runs without them on an ARM1176.
set -euo pipefail
cd "$(dirname "$0")/.."
qemu=$(command -v qemu-arm-static || command -v qemu-arm) || {
	echo "qemu-user is not installed: apt-get install qemu-user-static"
	exit 1
}
export CGO_ENABLED=0 GOOS=linux GOARCH=arm
run() { go test -json -short -count=1 "$@" | GOARCH='' go run ./scripts/testsummary; }
echo "arm, GOARM=7, under qemu, -cpu cortex-a7, tier neon"
GOARM=7 WAYSIDE_REQUIRE_ISA=neon run -exec "$qemu -cpu cortex-a7" ./kernels/...
echo "arm, GOARM=6, under qemu, -cpu arm1176, no NEON"
GOARM=6 WAYSIDE_REQUIRE_ISA=generic run -exec "$qemu -cpu arm1176" ./kernels/internal/cpu ./kernels/gemm -run '^Test(Limit|S8|F32Arm)'
