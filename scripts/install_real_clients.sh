#!/usr/bin/env bash
# Installs what tests/mock needs beside the package itself: other people's FHIR clients from PyPI and npm, and a
# browser with its driver and accessibility rules. Runs again without harm; PYTHON names the environment.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-.venv/bin/python}"
"$python" -m pip install --quiet --disable-pip-version-check -e '.[clients]'
if command -v npm >/dev/null; then
    (cd tests/mock/clients && npm install --no-audit --no-fund --loglevel=error)
elif [[ "$(id -u)" == 0 ]]; then
    apt-get update -qq && apt-get install -qq -y nodejs npm
    (cd tests/mock/clients && npm install --no-audit --no-fund --loglevel=error)
fi
if ! command -v chromium >/dev/null && [[ "$(id -u)" == 0 ]]; then
    apt-get update -qq && apt-get install -qq -y chromium
fi
