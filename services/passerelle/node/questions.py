"""What ``node init`` asks where an option is missing and somebody sits at a terminal: one question at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import TypeAdapter, ValidationError

from passerelle.core.errors import FormatError, PasserelleError
from passerelle.core.statement import check_member_id, check_network
from passerelle.events.base import Jurisdiction
from passerelle.events.member import MemberKind, Role
from passerelle.node.setup import known, language_of, parse_names
from passerelle.runtime.config import read_public_key

MAX_TRIES: Final = 5
"""Wrong answers to one question."""
Prompt = Callable[[str, str], str]
"""Ask a person; the second text is what an empty answer means."""


@dataclass(frozen=True, slots=True)
class Question:
    """One option of the command, asked. ``check`` raises PasserelleError; ``default`` may name earlier answers."""

    name: str
    english: str
    french: str
    check: Callable[[str], object]
    default: str = ""
    several: bool = False
    """Answers are separated by commas."""

    @property
    def option(self) -> str:
        """As the command line spells it."""
        return f"--{self.name.replace('_', '-')}"


def _filled(text: str) -> None:
    if not text:
        raise FormatError("argument-missing", "an answer is needed")


def _jurisdiction(text: str) -> None:
    try:
        TypeAdapter(Jurisdiction).validate_python(text)
    except ValidationError:
        what = "this is no code of a province, a territory or a country (ISO 3166)"
        raise FormatError("argument-invalid", what, fix="Write for example CA-ON.") from None


def _url(text: str) -> None:
    if not text.startswith(("postgresql://", "postgres://")):
        raise FormatError("argument-invalid", "this is no URL of a PostgreSQL database")


def _address(text: str) -> None:
    for one in text.split(","):
        host, colon, port = one.strip().rpartition(":")
        if not (host and colon and port.isdigit()):
            raise FormatError("argument-invalid", "an address is a host, ':' and a port")


def _new_folder(text: str) -> None:
    _filled(text)
    if (Path(text) / "node.toml").exists():
        raise FormatError("argument-invalid", "the folder holds a node already")


QUESTIONS: Final = (
    Question("jurisdiction", "Province or territory, for example CA-ON (several: with commas)",
             "Province ou territoire, par exemple CA-QC (plusieurs : avec des virgules)",
             _jurisdiction, several=True),
    Question("member", "Member id: small letters, digits and hyphens, for example humber",
             "Identifiant de membre : minuscules, chiffres et traits d'union, par exemple cegep-garneau",
             check_member_id),
    Question("name", "Names, each with its language, for example en=Humber College (several: with commas)",
             "Noms, chacun avec sa langue, par exemple fr=Cégep Garneau (plusieurs : avec des virgules)",
             lambda text: parse_names([text]), several=True),
    Question("kind", "What the organisation is, for example college, university, cegep, employer",
             "Genre d'organisation, par exemple cegep, university, college, employer",
             lambda text: known(text, get_args(MemberKind), "--kind")),
    Question("role", "Roles: issue, recognise, articulate, endorse, read (several: with commas)",
             "Rôles : issue, recognise, articulate, endorse, read (plusieurs : avec des virgules)",
             lambda text: known(text, get_args(Role), "--role"), "issue,recognise", several=True),
    Question("folder", "The new folder of the node", "Le nouveau dossier du nœud", _new_folder, "{member}-node"),
    Question("database", "URL of the node's own PostgreSQL database, without a password",
             "URL de la base PostgreSQL du nœud, sans mot de passe", _url, "postgresql://node@127.0.0.1/{member}"),
    Question("kafka", "Kafka brokers, host:port", "Serveurs Kafka, hôte:port", _address),
    Question("query", "The query service, host:port", "Le service de requêtes, hôte:port", _address),
    Question("root_key", "File with the network's root public key, from the operator",
             "Fichier de la clé publique racine du réseau, reçu de l'opérateur",
             lambda text: read_public_key(Path(text))),
    Question("network", "The network's name, from the operator, for example ledger.passerelle.example/2026",
             "Le nom du réseau, reçu de l'opérateur, par exemple ledger.passerelle.example/2026", check_network),
)  # fmt: skip


def complete(given: Mapping[str, Any], prompt: Prompt | None, tell: Callable[[str], None]) -> dict[str, Any]:
    """The options, those that are missing asked for; values are texts, or lists of texts.

    Without ``prompt``, or after ``MAX_TRIES`` wrong answers, raises FormatError ``argument-missing`` with the names of
    all that are missing. ``tell`` says what was wrong with an answer, which is then asked for again.
    """
    found = {name: value for name, value in given.items() if value}
    missing = [question for question in QUESTIONS if question.name not in found]
    if missing and prompt is None:
        raise _missing(missing)
    for question in missing:
        assert prompt is not None
        french = language_of(found.get("jurisdiction", [])) == "fr"
        default = question.default.format(**found)
        for _ in range(MAX_TRIES):
            answer = prompt(question.french if french else question.english, default).strip()
            parts = [part.strip() for part in answer.split(",")] if question.several else [answer]
            try:
                for part in parts:
                    question.check(part)
            except PasserelleError as error:
                tell(f"{error.what}. {error.fix}")
                continue
            found[question.name] = parts if question.several else answer
            break
        else:
            raise _missing([question])
    return found


def _missing(questions: list[Question]) -> FormatError:
    names = ", ".join(question.option for question in questions)
    return FormatError("argument-missing", "needed, and not given", where=names, fix=f"Give {names}.")
