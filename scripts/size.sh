#!/usr/bin/env bash
# Usage: scripts/size.sh
# Fails if the stripped arm64 binary is larger than its budget, or if something in it keeps the linker from removing unused methods
# (reflect.Value.Method and its kin with names that are not constants cost megabytes).
set -euo pipefail
cd "$(dirname "$0")/.."
budget=13500000
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export CGO_ENABLED=0 GOOS=linux GOARCH=arm64
go build -trimpath -buildvcs=false -ldflags '-s -w -dumpdep' -o "$out/wayside" ./cmd/wayside 2>"$out/deps"
keepers=$(grep -oE '^[^ ]+ <ReflectMethod>' "$out/deps" | sort -u || true)
if [ -n "$keepers" ]; then
	echo "these functions call methods by name and switch the linker's pruning off; find what brought them in with go list -deps:"
	echo "$keepers"
	exit 1
fi
bytes=$(stat -c %s "$out/wayside")
echo "arm64 stripped: $bytes of $budget bytes"
[ "$bytes" -le "$budget" ]
