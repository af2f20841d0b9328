"""The one executable: ``passerelle``. It wires only."""

from __future__ import annotations

from passerelle.cli.main import run


def main() -> None:
    """Console entry point."""
    run()


if __name__ == "__main__":
    main()
