#!/usr/bin/env bash
# Usage: scripts/fuzz.sh [EXECUTIONS]
# Runs every fuzz target for a fixed number of executions, so that two runs do the same amount of work.
set -euo pipefail
cd "$(dirname "$0")/.."
n=${1:-20000}
ran=0
while IFS=: read -r file line; do
	target=$(sed -E 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/' <<<"$line")
	echo "$(dirname "$file") $target"
	go test "./$(dirname "$file")" -run '^$' -fuzz "^$target\$" -fuzztime "${n}x"
	ran=$((ran + 1))
done < <(git grep -E '^func Fuzz' -- '*_test.go')
echo "$ran fuzz targets"
[ "$ran" -gt 0 ]
