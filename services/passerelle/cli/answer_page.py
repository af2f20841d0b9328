"""A signed answer on paper: one document of HTML in English or French, for A4 and Letter, nothing fetched.

The page shows what people need; the file holds the whole answer. The QR code (ISO/IEC 18004) names the file by its
SHA-256, so that the paper can be held against it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import jinja2
import segno
from markupsafe import Markup

from passerelle.core.answer import VerifiedAnswer
from passerelle.core.errors import FormatError
from passerelle.node.case_texts import OUTCOMES, STATUS
from passerelle.node.permission_texts import LETTER

LANGUAGES: Final = ("en", "fr")
MAX_ITEMS: Final = 500
"""Items of one list on paper; the page says how many more the file holds."""
_ENVIRONMENT: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("passerelle.cli"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
)
TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "EquivalencyService/Find": ("What an achievement counts for", "Ce que vaut une réalisation"),
    "EquivalencyService/Reverse": ("What counts for an achievement", "Ce qui vaut une réalisation"),
    "EquivalencyService/Evaluate": ("Evaluation of a transcript", "Évaluation d'un relevé de notes"),
    "PortabilityService/Assess": ("Portability of an achievement", "Transférabilité d'une réalisation"),
    "PortabilityService/Profile": ("Profile of an achievement", "Profil d'une réalisation"),
    "TransferService/Show": ("A transfer case", "Un dossier de transfert"),
    "TransferService/ShowPermission": ("A letter of permission", "Une lettre de permission"),
    "TransferService/ListPermissions": ("Letters of permission", "Lettres de permission"),
}
TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("Signed answer", "Réponse signée"),
    "signed-by": ("Signed with a key of", "Signé avec une clé de"),
    "holds": ("It holds until", "Valable jusqu'au"),
    "question": ("Question", "Question"),
    "answer": ("Answer", "Réponse"),
    "checked": ("What was checked", "Ce qui a été vérifié"),
    "paper": (
        "This page shows a file of which the signature was verified. SHA-256 of the file, also in the code:",
        "Cette page montre un fichier dont la signature a été vérifiée. SHA-256 du fichier, aussi dans le code :",
    ),
    "admission": (
        "Unofficial where credit is concerned: credit is subject to admission.",
        "Non officiel en matière de crédits : ceux-ci sont accordés sous réserve de l'admission.",
    ),
    "more": ("{count} more in the file", "{count} de plus dans le fichier"),
    "nothing": ("nothing", "rien"),
    "yes": ("yes", "oui"),
    "key": ("Key", "Clé"),
    "network": ("Network", "Réseau"),
    "issued": ("Signed at", "Signé le"),
    "position": ("Ledger position", "Position du registre"),
    "entries": ("{count} entries", "{count} inscriptions"),
    "checkpoint": ("Checkpoint of the log", "Point de contrôle du registre"),
    "witnesses": ("Cosigned by", "Cosigné par"),
    "valid-on": ("For the date", "Pour la date du"),
    "policies": ("Policies", "Politiques"),
}
# A field without a label here is left to the file.
LABELS: Final[Mapping[str, tuple[str, str]]] = {
    "achievement": ("Achievement", "Réalisation"),
    "answers": ("Answers", "Réponses"),
    "asked_on": ("Asked for the date", "Demandé pour la date du"),
    "case": ("Case", "Dossier"),
    "caps": ("Caps", "Plafonds"),
    "completed_on": ("Completed on", "Terminé le"),
    "credential": ("Credential", "Titre"),
    "credits": ("Credit", "Crédits"),
    "courses": ("Courses", "Cours"),
    "criteria": ("Criteria", "Critères"),
    "ends_on": ("Last day", "Dernier jour"),
    "expires_on": LETTER["until"],
    "finding": ("Finding", "Constat"),
    "fix": ("What would mend it", "Ce qui y remédierait"),
    "grade": ("Grade", "Note"),
    "home": LETTER["home"],
    "host": LETTER["host"],
    "id": ("Id", "Identifiant"),
    "jurisdiction": ("Jurisdiction", "Province ou territoire"),
    "jurisdictions": ("Jurisdictions", "Provinces et territoires"),
    "line": ("Line", "Ligne"),
    "lines": ("Lines", "Lignes"),
    "match": ("Result", "Résultat"),
    "matched": ("Matched", "Reconnues"),
    "maximum_credits": LETTER["maximum"],
    "maybe": ("Perhaps", "Peut-être"),
    "member": ("Member", "Membre"),
    "message": ("Text", "Texte"),
    "minimum_grade": ("Minimum grade", "Note minimale"),
    "missed": ("Missed", "Non reconnues"),
    "missing": ("What is missing", "Ce qui manque"),
    "names": ("Name", "Nom"),
    "note": ("Note", "Remarque"),
    "outcome": ("Outcome", "Résultat accordé"),
    "pack": ("Policy", "Politique"),
    "packs": ("Policies", "Politiques"),
    "profession": ("Profession", "Profession"),
    "permission": ("Letter of permission", "Lettre de permission"),
    "permissions": ("Letters of permission", "Lettres de permission"),
    "programme": ("Programme", "Programme"),
    "reason": ("Reason", "Motif"),
    "reasons": ("Reasons", "Motifs"),
    "receiver": ("Receiver", "Établissement d'accueil"),
    "receiver_names": ("Name of the receiver", "Nom de l'établissement d'accueil"),
    "receivers": ("Receivers", "Établissements d'accueil"),
    "recognised_by": ("Recognised by", "Reconnu par"),
    "recognition": ("Rule", "Règle"),
    "reference": ("Reference", "Référence"),
    "rule": ("Rule", "Règle"),
    "rules": ("Rules", "Règles"),
    "sender": ("Sender", "Établissement d'origine"),
    "smallest_fix": ("What would do", "Ce qui suffirait"),
    "starts_on": ("First day", "Premier jour"),
    "state": ("State", "État"),
    "status": ("Status", "Statut"),
    "summary": ("Summary", "Sommaire"),
    "term": LETTER["term"],
    "title": ("Title", "Intitulé"),
    "towards": ("Towards", "En vue de"),
    "type": ("Type", "Type"),
    "valid_from": ("From", "Du"),
    "valid_on": ("For the date", "Pour la date du"),
    "valid_to": ("To", "Au"),
    "verdict": ("Verdict", "Verdict"),
    "version": ("Version", "Version"),
    "waits_for": ("Waits for", "En attente de"),
}
WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "agreement": ("agreement", "entente"),
    "no-credit": ("no credit", "aucun crédit"),
    "case-by-case": ("case by case", "au cas par cas"),
    "under-evaluation": ("under evaluation", "en évaluation"),
    "never-evaluated": ("never evaluated", "jamais évalué"),
    "match": ("match", "reconnue"),
    "maybe": ("perhaps", "peut-être"),
    "miss": ("no match", "non reconnue"),
    "portable": ("portable", "transférable"),
    "not-portable": ("not portable", "non transférable"),
    "unknown": ("unknown", "inconnu"),
    "met": ("met", "satisfait"),
    "not-met": ("not met", "non satisfait"),
    "unspecified": ("", ""),
}
# Canonical JSON sorts by name; people read these first, in this order.
_FIRST: Final = (
    "title", "achievement", "case", "line", "reference", "receiver", "receiver_names", "jurisdiction", "message",
    "verdict", "match", "finding", "status", "state", "outcome", "reasons", "rule",
)  # fmt: skip
_RANK: Final[Mapping[str, int]] = {name: rank for rank, name in enumerate(_FIRST)}
_CODED: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "verdict": WORDS,
    "finding": WORDS,
    "match": WORDS,
    "type": OUTCOMES,
    "status": STATUS,
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Labels with what stands beside them."""

    rows: list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Items:
    """A numbered list."""

    items_: list[Any]


def pick(texts: Mapping[str, tuple[str, str]], key: str, language: str) -> str:
    """A text in the language."""
    return texts[key][language == "fr"]


def page(answer: VerifiedAnswer, data: bytes, language: str) -> str:
    """The document. ``data``: the file. Raises FormatError ``language-unknown``."""
    if language not in LANGUAGES:
        raise FormatError("language-unknown", "Pages are in English and French.", where="--lang")
    say, content = partial(pick, TEXTS, language=language), answer.content
    method = str(content["method"]).removeprefix("passerelle.api.").partition(".v1.")[2]
    digest = file_digest(data)
    return _ENVIRONMENT.get_template("answer.html").render(
        language=language,
        say=say,
        title=pick(TITLES, method, language) if method in TITLES else say("title"),
        member=content["issuer"]["member"],
        expires=content["expires_at"],
        question=told(content["question"], language),
        answer=told(content["answer"], language),
        facts=Rows(_facts(answer, language)),
        digest=digest,
        qr=qr_code(f"urn:passerelle:answer:{digest}"),
    )


def file_digest(data: bytes) -> str:
    """SHA-256 of the compact form, without the LF that files end in."""
    return hashlib.sha256(data.removesuffix(b"\n")).hexdigest()


def qr_code(text: str) -> Markup:
    """The text as a QR code, an inline SVG with the text as its title."""
    out = io.BytesIO()
    segno.make_qr(text, error="m").save(
        out, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=2, title=text, nl=False
    )
    return Markup(out.getvalue().decode())  # noqa: S704 - made here of a digest


def _facts(answer: VerifiedAnswer, language: str) -> list[tuple[str, Any]]:
    say, content = partial(pick, TEXTS, language=language), answer.content
    packs = ", ".join(f"{name} v{version}" for name, version in sorted(content["packs"].items()))
    checkpoint = answer.checkpoint
    rows = [
        (say("network"), content["network"]),
        (say("key"), answer.key_id),
        (say("issued"), content["issued_at"]),
        (say("valid-on"), content["valid_on"]),
        (say("position"), say("entries").format(count=answer.size)),
        (say("checkpoint"), f"{say('entries').format(count=checkpoint.size)}, {checkpoint.root.hex()}"),
        (say("witnesses"), ", ".join(answer.witnesses)),
        (say("policies"), packs),
    ]
    return [row for row in rows if row[1]]


def told(value: Any, language: str) -> Any:
    """A JSON value as text, :class:`Rows` or :class:`Items`: labelled fields that say something."""
    say = partial(pick, TEXTS, language=language)
    if isinstance(value, dict):
        return _object(value, language)
    if isinstance(value, list):
        shown = [one for one in (told(item, language) for item in value[:MAX_ITEMS]) if one != ""]
        if len(value) > MAX_ITEMS:
            shown.append(say("more").format(count=len(value) - MAX_ITEMS))
        return (Items(shown) if len(shown) > 1 else shown[0]) if shown else ""
    if isinstance(value, bool):
        return say("yes") if value else ""
    return str(value) if value not in (0, None) else ""


def _object(value: Mapping[str, Any], language: str) -> Any:
    if {"code", "en", "fr"} <= value.keys():
        return str(value[language] or value["code"])
    if value and all(len(name) == 2 and isinstance(text, str) for name, text in value.items()):
        return str(value.get(language) or next(iter(value.values())))
    if value.keys() == {"value", "system"}:
        return f"{value['value']} {value['system']}" if value["value"] else ""
    if value.keys() == {"scheme", "grade"}:
        return f"{value['grade']} ({value['scheme']})" if value["grade"] else ""
    rows = []
    for name in sorted(value.keys() & LABELS.keys(), key=lambda one: (_RANK.get(one, len(_RANK)), one)):
        item, words = value[name], _CODED.get(name, {})
        inner = pick(words, item, language) if isinstance(item, str) and item in words else told(item, language)
        if inner != "":
            rows.append((pick(LABELS, name, language), inner))
    return Rows(rows) if rows else ""
