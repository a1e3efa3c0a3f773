#!/usr/bin/env bash
# Usage: scripts/bench/models/make.sh [--out DIR] [--again] [NETWORK ...]
# Makes the models that scripts/bench/peers compares engines on, into scripts/bench/models/out (git ignores it). Weights are random, with fixed
# seeds: nothing is downloaded but, the first time, the pinned packages. Needs Python 3.11. WAYSIDE_MODELS_VENV names another place for them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${WAYSIDE_MODELS_VENV:-$here/.venv}
if [ ! -x "$venv/bin/python" ]; then
	"${PYTHON:-python3.11}" -m venv "$venv"
	"$venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
fi
PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/python" "$here/make.py" "$@"
