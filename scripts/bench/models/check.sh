#!/usr/bin/env bash
# Usage: scripts/bench/models/check.sh [MODEL ...]
# Compares the results of this repository on the models of make.sh with those of tflite-micro, LiteRT and ONNX Runtime. Exit code 1 if one does not load
# or differs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${WAYSIDE_MODELS_VENV:-$here/.venv}
if [ ! -x "$venv/bin/python" ] || [ ! -d "$here/out" ]; then
	"$here/make.sh"
fi
make -s -C "$here/../../.." build
PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/python" "$here/check.py" "$@"
