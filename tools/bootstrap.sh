#!/usr/bin/env bash
# Makes .venv with what a kind of work needs, by hash, from nothing but Python >= 3.11: tools/bootstrap.sh run|dev
# A second call with the same locks returns at once.
set -euo pipefail
cd "$(dirname "$0")/.."
kind="${1:?run or dev}"
venv=.venv
python="$venv/bin/python"
lock="requirements/$kind.lock"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_USER=0 PYTHONNOUSERSITE=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1
if [ -z "${HOME:-}" ] || [ ! -w "${HOME:-/nonexistent}" ]; then
    # pip keeps downloads below HOME; without a usable one they stay beside the environment.
    export PIP_CACHE_DIR="$PWD/$venv/.pip-cache"
fi

say() { printf '%s\n' "passerelle: $*" >&2; }

stamp_of() { cat "requirements/$1.lock" requirements/run.in pyproject.toml tools/build_metadata.py | cksum; }

is_current() { # a dev environment holds all that a run environment holds
    for have in "$kind" dev; do
        if [ -f "$venv/.installed-$have" ] && [ "$(cat "$venv/.installed-$have")" = "$(stamp_of "$have")" ]; then
            return 0
        fi
    done
    return 1
}

probe='import sys
if sys.version_info < (3, 11): sys.exit(3)
try:
    import ctypes, ssl, sqlite3
except ImportError:
    sys.exit(4)
try:
    import ensurepip, venv
except ImportError:
    sys.exit(5)'

find_python() {
    local candidate code seen=""
    for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        code=0
        "$candidate" -c "$probe" >/dev/null 2>&1 || code=$?
        if [ "$code" = 0 ]; then
            printf '%s' "$candidate"
            return 0
        fi
        if [ "$code" = 5 ]; then seen="$candidate"; fi
    done
    if [ -n "$seen" ]; then
        say "$seen has no venv or ensurepip module. On Debian and Ubuntu: apt-get install python3-venv (or ${seen}-venv)."
    else
        say "no usable Python >= 3.11 (python3.13, python3.12, python3.11, python3). Install one, or name it: make PYTHON=/path/to/python3"
    fi
    return 1
}

make_venv() {
    if [ -x "$python" ] && "$python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        return 0
    fi
    local base
    base="$(find_python)"
    say "creating $venv with $("$base" --version 2>&1)"
    # --clear mends an environment whose making was interrupted, or whose Python went away.
    "$base" -m venv --clear "$venv"
}

count_progress() { # one line of progress in place of pip's some hundred
    local total="$1"
    awk -v total="$total" -v tty="$([ -t 2 ] && echo 1 || echo 0)" '
        function show() {
            if (tty) printf "\r  %d of %d packages found", n, total > "/dev/stderr"
            else if (n % 20 == 0) printf "  %d of %d packages found\n", n, total > "/dev/stderr"
        }
        /^Collecting / || /^Requirement already satisfied: [^ ]+==/ { if (n < total) n++; show() }
        /^Installing collected packages/ { printf "%s  installing (may take half a minute)\n", tty ? "\n" : "" > "/dev/stderr"; m = 1 }
        /^ERROR|^error|^  *ERROR/ { print > "/dev/stderr" }
        END { if (tty && !m) printf "\n" > "/dev/stderr" }'
}

install_locked() {
    local total
    total="$(grep -c '^[A-Za-z0-9].*==' "$lock")"
    say "installing $total packages from $lock, by hash"
    if ! "$python" -m pip install --progress-bar off --require-hashes -r "$lock" 2>"$venv/.pip-errors" | count_progress "$total"; then
        cat "$venv/.pip-errors" >&2
        say "the installation failed (above). It can be repeated: what was downloaded is kept."
        return 1
    fi
    "$python" -m pip install --quiet --no-deps --no-build-isolation --editable .
    stamp_of "$kind" >"$venv/.installed-$kind"
}

if [ -x "$python" ] && is_current; then exit 0; fi
make_venv
install_locked
say "$venv is ready"
