"""What the operator publishes for S1: once, also where a run was cut short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from passerelle.demo.folder import DemoFolder
from passerelle.demo.loading import FRAMEWORK, POLICY, Loader
from passerelle.demo.plan import OPERATOR, policies_folder, samples_folder
from passerelle.demo.processes import Outcome
from passerelle.demo.rpc import OwnEvent

NAMES = (FRAMEWORK, POLICY)


class Office:
    """The operator's command line and stream: what is published is in the log at once."""

    def __init__(self, *published: OwnEvent) -> None:
        self.log = list(published)
        self.files: list[Path] = []
        self.settled = 0

    async def answer(self, *words: str) -> dict[str, str]:
        file = next(Path(word) for word in words if word.endswith((".json", ".yaml")))
        assert file.is_file()
        assert "publish" in words
        assert f"/{OPERATOR}/" in words[words.index("--config") + 1]
        self.files.append(file)
        self.log.append(published(file.stem))
        return {"state": "accepted"}

    async def run(self, *words: str, ok: Any = (0,)) -> Outcome:
        assert words[:2] == ("node", "status")
        self.settled += 1
        return Outcome(0, "{}", "")

    async def own_events(self, member: str, family: str) -> list[OwnEvent]:
        assert (member, family) == (OPERATOR, "reference")
        return self.log


def published(name: str, *, accepted: bool = True) -> OwnEvent:
    return OwnEvent("reference", f"{OPERATOR}/{name}", accepted, {})


async def load(root: Path, office: Any, *begun: str) -> list[str]:
    """The files that a run publishes, after one that was cut short when these steps had begun."""
    folder, said = DemoFolder(root / "data"), list[str]()
    folder.open(fresh=False, samples="")
    try:
        for name in begun:
            folder.begin(f"S1:{name}")
        loader = Loader(folder, samples_folder(), policies_folder(), office, office, (), said.append)
        await loader.load(frozenset({"S1"}))
        assert said == [f"S1:{name}" for name in NAMES]
        assert loader.steps(frozenset({"S1"})) == len(said)
        sent = [file.stem for file in office.files]
        await loader.load(frozenset({"S1"}))
        assert len(office.files) == len(sent)
        return sent
    finally:
        folder.close()


async def test_the_framework_and_the_pack_are_published_once(tmp_path: Path) -> None:
    office = Office()
    assert await load(tmp_path, office) == list(NAMES)
    assert office.settled == 0


@pytest.mark.parametrize(
    ("log", "sent"),
    [
        ((), NAMES),
        ((published(FRAMEWORK),), (POLICY,)),
        ((published(FRAMEWORK), published(POLICY)), ()),
        ((published(FRAMEWORK, accepted=False),), NAMES),
    ],
)
async def test_a_run_that_was_cut_short_asks_the_log_what_it_holds(
    tmp_path: Path, log: tuple[OwnEvent, ...], sent: tuple[str, ...]
) -> None:
    office = Office(*log)
    assert await load(tmp_path, office, *NAMES) == list(sent)
    assert office.settled == 2
