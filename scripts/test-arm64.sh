#!/usr/bin/env bash
# Usage: scripts/test-arm64.sh [CPU ...]
# Runs the tests that need no other process for arm64 under qemu-user, once per CPU model. Integer results must be the same bytes on each.
set -euo pipefail
cd "$(dirname "$0")/.."
cpus=("$@")
[ ${#cpus[@]} -gt 0 ] || cpus=(cortex-a53 cortex-a76 max)
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) || {
	echo "qemu-user is not installed: apt-get install qemu-user-static"
	exit 1
}
export CGO_ENABLED=0 GOOS=linux GOARCH=arm64
for cpu in "${cpus[@]}"; do
	echo "arm64 under qemu, -cpu $cpu"
	go test -json -count=1 -exec "$qemu -cpu $cpu" ./kernels/... ./graph/... ./hal/... | GOARCH='' go run ./scripts/testsummary
done
