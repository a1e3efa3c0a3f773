#!/usr/bin/env bash
# Usage: scripts/testmodels/train.sh
# Trains the demo's models and writes them, their goldens and releases into firmware-config/demo, and FIGURES.md beside this file.
# Needs Python 3.11 and, the first time, network for the pinned packages. TESTMODELS_VENV names another place for the environment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${TESTMODELS_VENV:-$here/.venv}
if [ ! -x "$venv/bin/python" ]; then
	"${PYTHON:-python3.11}" -m venv "$venv"
	"$venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
fi
cd "$here"
PYTHONDONTWRITEBYTECODE=1 TF_CPP_MIN_LOG_LEVEL=3 exec "$venv/bin/python" train.py --out "$here/../../firmware-config/demo" --figures "$here/FIGURES.md"
