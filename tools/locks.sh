#!/usr/bin/env bash
# Renews requirements/run.lock and dev.lock from their .in files. Needs uv, which nothing else in the project needs:
# `.venv/bin/python -m pip install uv` gives it. Pass --upgrade to take newer versions.
set -euo pipefail
cd "$(dirname "$0")/../requirements"
uv="$(command -v uv || true)"
if [ -x ../.venv/bin/uv ]; then uv=../.venv/bin/uv; fi
if [ -z "$uv" ]; then
    echo "tools/locks.sh: uv is not installed; run: .venv/bin/python -m pip install uv" >&2
    exit 1
fi
options=(--universal --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --quiet
    --custom-compile-command tools/locks.sh)
"$uv" pip compile "${options[@]}" "$@" run.in -o run.lock
# dev.in is constrained by run.lock, so that tests run on the versions that ship.
"$uv" pip compile "${options[@]}" dev.in -o dev.lock
