#!/usr/bin/env bash
# Usage: scripts/bench/peers/peers.sh [--tiers | --start] [--rounds N] [--seconds S] [--threads 1,2] [--json FILE] [--markdown FILE] [MODEL ...]
# Compares this repository with ONNX Runtime, LiteRT with XNNPACK, and OpenVINO, at the versions of requirements.txt, and prints one table. Without MODEL it takes those of
# scripts/bench/models, which it makes where they are missing. Needs Go, Python 3.11 and, the first time, network for the packages. Run it on a quiet
# machine: 5 rounds of all models take about an hour. WAYSIDE_PEERS_VENV names another place for the packages.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
venv=${WAYSIDE_PEERS_VENV:-$here/.venv}
if [ ! -x "$venv/bin/python" ]; then
	"${PYTHON:-python3.11}" -m venv "$venv"
	"$venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
fi
make -s -C "$root" build
if [ ! -d "$root/scripts/bench/models/out" ]; then
	"$root/scripts/bench/models/make.sh"
fi
PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/python" "$here/peers.py" "$@"
