#!/usr/bin/env bash
# Every check that needs no server. All of them run; the names of the failed ones are printed at the end.
set -uo pipefail
cd "$(dirname "$0")/.."
bin="$PWD/.venv/bin"
failed=()

run() {
    local name="$1" started=$SECONDS
    shift
    printf '== %s\n' "$name"
    if "$@"; then
        printf '   passed (%s s)\n' $((SECONDS - started))
    else
        printf '   FAILED (%s s)\n' $((SECONDS - started))
        failed+=("$name")
    fi
}

absent() { printf '== %s\n   left out: %s is absent\n' "$1" "$2"; }

python_dirs=()
for dir in services tests bench tools; do if [ -d "$dir" ]; then python_dirs+=("$dir"); fi; done

run "ruff check" "$bin/ruff" check --quiet "${python_dirs[@]}"
run "ruff format" "$bin/ruff" format --check --quiet "${python_dirs[@]}"
run "mypy" "$bin/mypy" "${python_dirs[@]}"
run "import direction" "$bin/lint-imports" --no-cache
if [ -d protos ]; then
    run "buf lint" "$bin/buf" lint
    run "generated code" "$bin/python" tools/gen.py --check
    if [ -f contracts/baseline/protos.binpb ]; then
        run "buf breaking" "$bin/buf" breaking --against contracts/baseline/protos.binpb
    else
        absent "buf breaking" contracts/baseline/protos.binpb
    fi
else
    absent "protos" protos/
fi
if [ -f services/passerelle/events/export.py ]; then
    run "contracts" "$bin/python" -m passerelle.events.export --check
    run "breaking contracts" "$bin/python" -m passerelle.events.compat
else
    absent "contracts" services/passerelle/events/export.py
fi
if [ -f docker-compose.yml ]; then
    run "compose file" "$bin/check-jsonschema" --builtin-schema vendor.compose-spec docker-compose.yml
else
    absent "compose file" docker-compose.yml
fi
run "error pages" "$bin/python" tools/errors_doc.py --check
run "tidy" "$bin/python" -m pytest -q --no-header tests/test_tidy.py

if [ ${#failed[@]} -gt 0 ]; then
    printf '\nfailed:'
    printf ' [%s]' "${failed[@]}"
    printf '\n'
    exit 1
fi
printf '\nall checks passed\n'
