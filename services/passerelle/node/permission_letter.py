"""The letter of permission, or of its refusal, as one page of HTML in English or French, with styles for print.

It names the learner as the office holds them and nothing else of the person; it goes to a file that its owner alone can
read. A member in Quebec writes an autorisation d'études hors établissement (AEHE).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import FormatError, Refused
from passerelle.node.case_letter import ENVIRONMENT, LANGUAGES, name_of, named_in, outcome_text, title_of, write_page
from passerelle.node.case_texts import pick
from passerelle.node.people import Vault
from passerelle.node.permission import Permissions
from passerelle.node.permission_ports import PermissionStore
from passerelle.node.permission_texts import LETTER, REFUSALS, TITLES
from passerelle.node.permission_view import PermissionView
from passerelle.node.rules_asked import Rules
from passerelle.runtime.clock import Clock, as_date

QUEBEC: Final = "CA-QC"
Say = Any
"""A text of the letter by its name."""


@dataclass(frozen=True, slots=True)
class PermissionLetters:
    """The use case."""

    store: PermissionStore
    permissions: Permissions
    rules: Rules
    vault: Vault
    clock: Clock

    async def write(self, permission: str, target: Path, language: str) -> None:
        """Write the letter about what stands: granted or refused, and accepted by the ledger.

        Raises FormatError ``language-unknown``, NotFound, Refused ``step-illegal`` where nothing of it stands.
        """
        if language not in LANGUAGES:
            raise FormatError("language-unknown", "letters are in English and French", where="--lang")
        view = await self.permissions.view(permission)
        if view.state not in {"granted", "refused"} or view.entry is None:
            fix = "Grant or refuse it, and wait for the ledger's answer."
            raise Refused("step-illegal", f"the permission is in state {view.state}", where="PERMISSION", fix=fix)
        write_page(target, await self._page(view, language))

    async def _page(self, view: PermissionView, language: str) -> str:
        courses = view.said["courses"]
        named = [name for course in courses for name in named_in(course.get("outcome") or {})]
        programme = str(view.said.get("programme") or "")
        wanted = [*(str(course["achievement"]) for course in courses), *named, *([programme] if programme else [])]
        title = partial(title_of, await self.rules.titles(wanted), language)
        say = partial(pick, LETTER, language=language)
        granted = view.state == "granted"
        columns = ("line", "course", "counts-as", "basis") if granted else ("line", "course", "reason", "fix")
        rows = [_permitted(one, title, say, language) if granted else _not(one, title, language) for one in courses]
        record = await self.store.own_record(view.home) or {}
        kind = f"{view.state}-aehe" if QUEBEC in record.get("jurisdictions", ()) else view.state
        return ENVIRONMENT.get_template("permission.html").render(
            language=language,
            title=pick(TITLES, kind, language),
            facts=await self._facts(view, title(programme) if programme else "", say, language),
            caption=say("courses"),
            columns=[say(name) for name in columns],
            rows=rows,
            notes=_notes(view, say) if granted else [],
        )

    async def _facts(self, view: PermissionView, programme: str, say: Say, language: str) -> list[tuple[str, str]]:
        said, term = view.said, view.said["term"]
        when = say("between").format(starts=term["starts_on"], ends=term["ends_on"])
        maximum = said.get("maximum_credits")
        learner = await self.store.learner(view.asked.learner) if view.asked is not None else None
        found = [
            ("date", as_date(self.clock.now_ms())),
            ("learner", "" if learner is None else self.vault.person(learner).name),
            ("home", await name_of(self.store, view.home, language)),
            ("host", await name_of(self.store, view.host, language)),
            ("programme", programme),
            ("term", f"{term['name']} ({when})" if term.get("name") else when),
            ("until", str(said.get("expires_on") or "")),
            ("maximum", f"{maximum['value']} {maximum['system']}" if maximum else ""),
            ("reference", view.id),
            ("ledger", str(view.entry)),
        ]
        return [(say(name), value) for name, value in found if value]


def _permitted(course: Mapping[str, Any], title: Any, say: Say, language: str) -> tuple[str, ...]:
    basis = []
    if course.get("recognition"):
        basis.append(f"{say('rule')} {course['recognition']} ({say('entry')} {course['recognition_index']})")
    colon = " : " if language == "fr" else ": "
    if course.get("individual_reason"):
        basis.append(f"{say('individual')}{colon}{course['individual_reason']}")
    if course.get("minimum_grade"):
        grade = course["minimum_grade"]
        basis.append(f"{say('minimum')}{colon}{grade['grade']} ({grade['scheme']})")
    counts = outcome_text(course["outcome"], title, language)
    return str(course["line"]), title(str(course["achievement"])), counts, "; ".join(basis)


def _not(course: Mapping[str, Any], title: Any, language: str) -> tuple[str, ...]:
    reason = pick(REFUSALS, str(course["reason"]), language)
    return str(course["line"]), title(str(course["achievement"])), reason, str(course["fix"])


def _notes(view: PermissionView, say: Say) -> list[str]:
    named = ", ".join(f"{one['policy']} v{one['version']}" for one in view.said.get("policies", ()))
    policies = say("policies").format(names=named) if named else ""
    rules = say("rules-of").format(position=view.said["position"], policies=policies)
    return [rules, *(say(name) for name in ("promise", "return", "verify", "enrolment"))]
