#!/usr/bin/env bash
# Usage: scripts/test-arm64.sh [CPU ...]
# Runs the tests of kernels, graph and hal for arm64 under qemu-user, once per CPU model, and those of infer and inspect with the arm64
# binary under the emulator. Integer results must be the same bytes on each. A CPU below must have its tier of kernels.
set -euo pipefail
cd "$(dirname "$0")/.."
cpus=("$@")
[ ${#cpus[@]} -gt 0 ] || cpus=(cortex-a53 cortex-a76 max)
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) || {
	echo "qemu-user is not installed: apt-get install qemu-user-static"
	exit 1
}
export CGO_ENABLED=0
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
GOOS=linux GOARCH=arm64 go build -trimpath -buildvcs=false -o "$out/wayside" ./cmd/wayside
declare -A tier=([cortex-a53]=neon [cortex-a72]=neon [cortex-a76]=dotprod [neoverse-n1]=dotprod [max]=i8mm)
for cpu in "${cpus[@]}"; do
	export WAYSIDE_REQUIRE_ISA=${tier[$cpu]:-}
	echo "arm64 under qemu, -cpu $cpu, tier ${WAYSIDE_REQUIRE_ISA:-of the CPU}"
	GOOS=linux GOARCH=arm64 go test -json -count=1 -exec "$qemu -cpu $cpu" ./kernels/... ./graph/... ./hal/... | go run ./scripts/testsummary
	WAYSIDE_REQUIRE_ISA='' WAYSIDE_TEST_RUNNER="$qemu -cpu $cpu $out/wayside" go test -json -count=1 ./cmd/wayside \
		-run '^(TestInferRecordedRows|TestInferForms|TestBadInput|TestFailureAsJSON|TestInspectJSON|TestInferJSON|TestPublishedRows|TestExitCodes)$' | go run ./scripts/testsummary
done
