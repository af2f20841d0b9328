"""Makes services/passerelle/api from protos/, or (--check) says where the committed code differs from them.

Exit code 0: done, or no difference. 1: a difference, each named. 2: protoc refused the files.
"""

import argparse
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
SOURCES = ROOT / "services"
API = Path("passerelle") / "api"


def generate(target: Path) -> None:
    """Write the generated modules, and an `__init__.py` in each of their folders, below `target`/passerelle/api."""
    names = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    bundled = resources.files("grpc_tools") / "_proto"
    outputs = [f"--{kind}={target}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    if protoc.main(["protoc", f"-I{PROTOS}", f"-I{bundled}", *outputs, *names]) != 0:
        sys.exit(2)
    for folder in [target / API, *(path for path in (target / API).rglob("*") if path.is_dir())]:
        if folder.name != "__pycache__":
            (folder / "__init__.py").write_text("", encoding="utf-8")


def read_tree(folder: Path) -> dict[str, bytes]:
    """Return every file below `folder` by its relative path, compiled files left out."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def differences(expected: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    """Say, in order of path, what `found` lacks, has too much, or has otherwise than `expected`."""
    lines = []
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            lines.append(f"missing: {name}")
        elif name not in expected:
            lines.append(f"not made from protos/: {name}")
        elif expected[name] != found[name]:
            lines.append(f"differs: {name}")
    return lines


def main() -> int:
    """Generate or check; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, report differences")
    with tempfile.TemporaryDirectory() as scratch:
        check = parser.parse_args().check
        fresh = Path(scratch)
        generate(fresh)
        found = differences(read_tree(fresh / API), read_tree(SOURCES / API))
        if check:
            print("\n".join([*found, "run `make gen`"]) if found else "generated code is current")
            return 1 if found else 0
        new = read_tree(fresh / API)
        for name in read_tree(SOURCES / API).keys() - new.keys():
            (SOURCES / API / name).unlink()
        for name, content in new.items():
            path = SOURCES / API / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        print(f"wrote {len(new)} files below {API}")
        return 0


if __name__ == "__main__":
    sys.exit(main())
