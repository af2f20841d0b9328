"""The letter about a decision: one page of HTML in English or French, with styles for print, nothing fetched.

It names the learner as the office holds them and nothing else of the person; it goes to a file that its owner alone can
read, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import jinja2

from passerelle.core.errors import FormatError, Refused
from passerelle.node.case_ports import WorkStore
from passerelle.node.case_texts import LETTER, NO_CREDIT, OUTCOMES, STATUS, WAITS, pick
from passerelle.node.people import Vault
from passerelle.node.ports import OutboxStore
from passerelle.node.proposals import Proposals
from passerelle.node.rules_asked import Rules
from passerelle.node.transfers import CaseView
from passerelle.runtime.clock import Clock, as_date

LANGUAGES: Final = ("en", "fr")
ENVIRONMENT: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("passerelle.node"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
)


class LetterStore(WorkStore, OutboxStore, Protocol):
    """Cases, learners, the registry's records."""


@dataclass(frozen=True, slots=True)
class Letters:
    """The use case."""

    store: LetterStore
    proposals: Proposals
    rules: Rules
    vault: Vault
    clock: Clock

    async def write(self, case: str, target: Path, language: str) -> None:
        """Write the letter about the latest decision. Raises FormatError, NotFound, Refused ``step-illegal``."""
        if language not in LANGUAGES:
            raise FormatError("language-unknown", "letters are in English and French", where="--lang")
        view = await self.proposals.transfers.view(case)
        if not view.lines:
            raise Refused("step-illegal", f"nothing was decided yet: the case is {view.state}", where="CASE")
        write_page(target, await self._page(view, language))

    async def _page(self, view: CaseView, language: str) -> str:
        earned = {}
        for credential in view.credentials:
            earned[credential] = str((await self.proposals.facts(credential))["line"]["achievement"])
        named = [name for line in view.lines for name in named_in(line.get("outcome") or {})]
        titles = await self.rules.titles([*earned.values(), *named, *([view.programme] if view.programme else [])])
        title = partial(title_of, titles, language)
        lines = [line_told(line, title(earned[line["credential"]]), title, language) for line in view.lines]
        return ENVIRONMENT.get_template("letter.html").render(
            language=language,
            say=partial(pick, LETTER, language=language),
            date=as_date(self.clock.now_ms()),
            learner=await self._learner(view),
            receiver=await name_of(self.store, view.receiver, language),
            sender=await name_of(self.store, view.sender, language),
            programme=title(view.programme) if view.programme else "",
            case=view.id,
            lines=lines,
            notes=notes_of(view, language),
        )

    async def _learner(self, view: CaseView) -> str:
        row = await self.store.case(view.id)
        learner = await self.store.learner(row.learner) if row is not None and row.learner is not None else None
        return "" if learner is None else self.vault.person(learner).name


def write_page(target: Path, page: str) -> None:
    """Write a page that names a person: its owner alone can read it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch(mode=0o600)
    target.write_text(page, encoding="utf-8")


async def name_of(store: OutboxStore, member: str, language: str) -> str:
    """A member's name in the language, in another where it has none, its id where the registry was not seen."""
    names: Mapping[str, str] = (await store.own_record(member) or {}).get("names", {})
    return str(names.get(language) or next(iter(names.values()), member))


def title_of(titles: Mapping[str, Mapping[str, str]], language: str, achievement: str) -> str:
    """A title: the translation where there is one, the official one otherwise, the id where neither is known."""
    known = titles.get(achievement, {})
    return str(known.get(language) or known.get("") or achievement)


def named_in(outcome: Mapping[str, Any]) -> list[str]:
    """Achievements and programmes that an outcome names."""
    own = [str(outcome[name]) for name in ("achievement", "programme") if outcome.get(name)]
    return own + [name for part in outcome.get("of", ()) for name in named_in(part)]


def outcome_text(outcome: Mapping[str, Any], title: Any, language: str) -> str:
    """An outcome in words."""
    what = pick(OUTCOMES, str(outcome["type"]), language)
    if outcome.get("of"):
        return f"{what}: " + "; ".join(outcome_text(part, title, language) for part in outcome["of"])
    parts = [title(name) for name in named_in(outcome)]
    parts += [str(outcome[name]) for name in ("subject", "level", "profession", "entry_year") if outcome.get(name)]
    if outcome.get("credits"):
        parts.append(f"{outcome['credits']['value']} {outcome['credits']['system']}")
    return ", ".join([what, *parts])


def line_told(line: Mapping[str, Any], earned: str, title: Any, language: str) -> dict[str, Any]:
    """A line of the decision in words."""
    say = partial(pick, LETTER, language=language)
    basis = []
    if line.get("recognition"):
        entry = line.get("recognition_index")
        basis.append(f"{say('rule')} {line['recognition']}" + ("" if entry is None else f" ({say('entry')} {entry})"))
    if line.get("individual_reason"):
        basis.append(f"{say('individual')} : {line['individual_reason']}" if language == "fr" else
                     f"{say('individual')}: {line['individual_reason']}")  # fmt: skip
    if line["status"] == "no-credit" and line.get("reason"):
        basis.append(pick(NO_CREDIT, str(line["reason"]), language))
    if line["status"] in {"pending", "conditional"} and line.get("waits_for"):
        basis.append(pick(WAITS, str(line["waits_for"]), language))
    shown = line.get("outcome") if line["status"] in {"credited", "conditional"} else None
    return {
        "number": line["line"],
        "earned": earned,
        "status": pick(STATUS, str(line["status"]), language),
        "outcome": "" if shown is None else outcome_text(shown, title, language),
        "basis": "; ".join(basis),
    }


def notes_of(view: CaseView, language: str) -> list[str]:
    """What a learner must know of a decision: appeal, admission, grade."""
    say = partial(pick, LETTER, language=language)
    if view.final:
        appeal = say("final")
    elif view.appeal_by:
        appeal = say("appeal-until").format(date=view.appeal_by)
    else:
        appeal = say("appeal-open")
    return [appeal, say("admission-note"), say("no-grade")]
