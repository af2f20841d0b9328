"""Hatch metadata hook: the distribution depends on what requirements/run.in names, written once, there."""

from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

# Needed to build, not to run: they are in the lock so that an editable install downloads nothing of its own.
BUILD_ONLY = frozenset({"hatchling", "editables"})


def read_requirements(text: str) -> list[str]:
    """Return the requirement lines of `text`, without comments, blank lines and build tools."""
    lines = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return [line for line in lines if line and line not in BUILD_ONLY]


class RequirementsHook(MetadataHookInterface):
    """Fills `dependencies` from requirements/run.in."""

    def update(self, metadata: dict[str, object]) -> None:
        """Set `metadata["dependencies"]`; called by hatchling on every build."""
        text = (Path(self.root) / "requirements" / "run.in").read_text(encoding="utf-8")
        metadata["dependencies"] = read_requirements(text)
