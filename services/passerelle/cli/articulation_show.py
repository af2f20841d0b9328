"""Tables of ``passerelle articulation``, in English and French."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from passerelle.cli import answering
from passerelle.core.errors import FormatError

if TYPE_CHECKING:
    from rich.table import Table

STATES: Final = {
    "requested": ("with its evaluator", "à l'étude"),
    "returned": ("sent back for information", "renvoyée pour complément"),
    "answered": ("answered", "répondue"),
    "declined": ("case by case", "au cas par cas"),
}
CAUSES: Final = {
    "credit-and-no-credit": ("credit and no credit", "crédits et aucun crédit"),
    "different-credit": ("different credit", "crédits différents"),
    "revised": ("course revised since", "cours révisé depuis"),
    "retired": ("course retired", "cours retiré"),
    "renumbered": ("course renumbered", "cours renuméroté"),
}
CHANGES: Final = {
    "gains": ("gains", "gagne"), "loses": ("loses", "perd"), "same": ("same", "inchangé"),
    "mixed": ("gains and loses", "gagne et perd"),
}  # fmt: skip
VERDICTS: Final = {
    "agreement": ("agreement", "entente"),
    "no-credit": ("no credit", "aucun crédit"),
    "case-by-case": ("case by case", "au cas par cas"),
    "under-evaluation": ("under evaluation", "à l'étude"),
    "never-evaluated": ("never evaluated", "jamais évalué"),
}
BINDING: Final = (
    "Precedents bind nobody: each receiving institution decides for itself.",
    "Un précédent ne lie personne : chaque établissement d'accueil décide pour lui-même.",
)


def _say(pair: tuple[str, str], lang: str) -> str:
    return pair[1] if lang == "fr" else pair[0]


def _table(lang: str, *heads: tuple[str, str]) -> Table:
    from rich.table import Column, Table

    return Table(*(Column(_say(head, lang), overflow="fold") for head in heads), box=None, pad_edge=False)


def _print(table: Table, position: Any, lang: str, *lines: str) -> None:
    out = answering.console()
    out.print(table)
    for line in lines:
        out.print(line, markup=False, highlight=False)
    out.print(answering.position_text(position, lang))


def _cells(*values: object) -> tuple[str, ...]:
    """Published text is shown as it is: square brackets in it are no markup."""
    from rich.markup import escape

    return tuple(escape(str(value)) for value in values)


def state_number(state: str) -> int:
    """The state that an option names. Raises FormatError ``argument-invalid``."""
    from passerelle.api.equivalency.v1 import articulation_pb2 as pb

    if state in {"", "all"}:
        return 0
    if state not in STATES:
        fix = f"Use one of: {', '.join((*STATES, 'all'))}."
        raise FormatError("argument-invalid", "there is no such state", where="--state", fix=fix)
    return int(pb.RequestState.Value(f"REQUEST_STATE_{state.upper()}"))


def _state(request: Any, lang: str) -> str:
    kind = request.DESCRIPTOR.fields_by_name["state"].enum_type
    return _say(STATES[answering.word(kind, request.state)], lang)


def queue(first: Any, requests: Sequence[Any], lang: str) -> None:
    """The queue: one row a request."""
    table = _table(
        lang, ("request", "demande"), ("course", "cours"), ("title", "titre"), ("receiver", "accueil"),
        ("evaluator", "évaluateur"), ("state", "état"), ("days", "jours"), ("due", "échéance"),
    )  # fmt: skip
    for one in requests:
        due = f"{one.due_on} !" if one.overdue else one.due_on
        row = (one.id, one.achievement, one.title, one.receiver, one.evaluator, _state(one, lang), one.age_days, due)
        table.add_row(*_cells(*row), style="bold red" if one.overdue else "")
    told = (f"{first.total} requests; ! is past its target day.",
            f"{first.total} demandes; ! signale une échéance dépassée.")  # fmt: skip
    _print(table, first.position, lang, _say(told, lang))


def one(response: Any, lang: str) -> None:
    """One request: its facts, then its steps."""
    request = response.request
    facts = _table(lang, ("", ""), ("", ""))
    rows: tuple[tuple[tuple[str, str], object], ...] = (
        (("request", "demande"), request.id),
        (("course", "cours"), f"{request.achievement}  {request.title}"),
        (("receiver", "accueil"), answering.name_of(request.receiver_names, lang, request.receiver)),
        (("evaluator", "évaluateur"), request.evaluator),
        (("state", "état"), _state(request, lang)),
        (("towards", "en vue de"), request.towards),
        (("replaces", "remplace"), request.replaces),
        (("outline", "plan de cours"), request.outline_url),
        (("its SHA-256", "son SHA-256"), request.outline_sha256),
        (("target day", "échéance"), f"{request.due_on} !" if request.overdue else request.due_on),
        (("days", "jours"), request.age_days),
        (("needed", "à fournir"), "; ".join(request.needed)),
        (("answered by", "réponse"), request.answer),
        (("note", "remarque"), request.note),
    )
    for name, value in rows:
        if str(value):
            facts.add_row(_say(name, lang), *_cells(value))
    steps = _table(
        lang, ("entry", "entrée"), ("on", "le"), ("member", "membre"), ("step", "étape"), ("note", "remarque")
    )
    for step in request.steps:
        steps.add_row(*_cells(step.index, step.on, step.member, step.event, step.note))
    answering.console().print(facts)
    _print(steps, response.position, lang)


def summary(response: Any, lang: str) -> None:
    """One row a receiver."""
    table = _table(
        lang, ("receiver", "accueil"), ("open", "ouvertes"), ("overdue", "en retard"), ("oldest, days", "aînée, jours"),
        ("answered", "répondues"), ("case by case", "au cas par cas"), ("median days", "médiane, jours"),
    )  # fmt: skip
    for row in response.receivers:
        cells = (row.receiver, row.open, row.overdue, row.oldest_days, row.answered, row.declined, row.median_days)
        table.add_row(*_cells(*cells))
    _print(table, response.position, lang)


def outcome_text(outcome: Any) -> str:
    """An outcome in one line."""
    if outcome.of:
        return (" + " if outcome.type == "sum" else " / ").join(outcome_text(part) for part in outcome.of)
    parts = (outcome.type, answering.credit_text(outcome.credits), outcome.achievement, outcome.subject, outcome.level)
    return " ".join(part for part in (*parts, outcome.reason) if part)


def expression_text(expression: Any) -> str:
    """A sending expression in one line."""
    kind = expression.WhichOneof("kind")
    if kind == "leaf":
        return str(expression.leaf.achievement)
    body = getattr(expression, kind)
    parts = [expression_text(part) for part in body.parts]
    if kind in {"all_of", "any_of"}:
        return f"({(' & ' if kind == 'all_of' else ' or ').join(parts)})"
    start = f"{body.n} of" if kind == "n_of" else f"{answering.credit_text(body.credits)} from"
    return f"{start} ({', '.join(parts)})"


def _rule(rule: Any) -> tuple[str, str, str, str]:
    dates = f"{rule.valid_from} – {rule.valid_to or '…'}"
    return rule.id, expression_text(rule.sending), outcome_text(rule.outcome), dates


_RULE: Final = (("rule", "règle"), ("sent", "envoyé"), ("counts for", "compte pour"), ("dates", "dates"))


def findings(method: str, first: Any, found: Sequence[Any], lang: str) -> None:
    """A list over rules."""
    if method == "ListContradictions":
        heads = (("first", "première"), ("second", "seconde"), ("sent", "envoyé"), ("why", "motif"), ("dates", "dates"))
        rows: Iterable[tuple[object, ...]] = (
            (one.first.id, one.second.id, expression_text(one.first.sending), _say(CAUSES[one.cause], lang),
             f"{one.from_date} – {one.until_date or '…'}")
            for one in found
        )  # fmt: skip
    elif method == "ListOrphans":
        heads = (("rule", "règle"), ("course", "cours"), ("why", "motif"), ("new course", "nouveau cours"),
                 ("since entry", "depuis l'entrée"))  # fmt: skip
        rows = (
            (one.rule.id, f"{one.achievement}  {one.title}", _say(CAUSES[one.cause], lang), one.replaced_by,
             one.changed_index)
            for one in found
        )  # fmt: skip
    else:
        heads, rows = _RULE, (_rule(one) for one in found)  # type: ignore[assignment]  # four heads here, five there
    table = _table(lang, *heads)
    for row in rows:
        table.add_row(*_cells(*row))
    _print(table, first.position, lang, _say((f"{len(found)} found", f"{len(found)} trouvées"), lang))


def precedents(response: Any, lang: str) -> None:
    """One row an answer."""
    table = _table(
        lang, ("receiver", "accueil"), ("answer", "réponse"), ("counts for", "compte pour"), ("rule", "règle"),
        ("dates", "dates"), ("given for", "rendue pour"),
    )  # fmt: skip
    for one in response.precedents:
        told = one.answer
        verdict = answering.word(told.DESCRIPTOR.fields_by_name["verdict"].enum_type, told.verdict)
        who = answering.name_of(told.receiver_names, lang, told.receiver)
        rule, _, outcome, dates = _rule(told.rule)
        table.add_row(*_cells(who, _say(VERDICTS[verdict], lang), outcome, rule, dates, one.through))
    _print(table, response.position, lang, _say(BINDING, lang))


def coverage(response: Any, lang: str) -> None:
    """Counts by answer, then what nobody has evaluated."""
    table = _table(lang, ("answer", "réponse"), ("achievements", "réalisations"), ("%", "%"))
    for count in response.counts:
        verdict = answering.word(count.DESCRIPTOR.fields_by_name["verdict"].enum_type, count.verdict)
        share = f"{100 * count.achievements / response.achievements:.1f}"
        table.add_row(_say(VERDICTS[verdict], lang), str(count.achievements), share)
    told = (f"{response.achievements} offered by the sender.", f"{response.achievements} offertes par l'expéditeur.")
    _print(table, response.position, lang, _say(told, lang), *response.never_evaluated)


def what_if(response: Any, lang: str) -> None:
    """One row a transcript, and the lines that change below it."""
    table = _table(
        lang, ("transcript", "relevé"), ("draft", "ébauche"), ("before", "avant"), ("after", "après"),
        ("lines", "lignes"),
    )  # fmt: skip
    for found in response.transcripts:
        change = answering.word(found.DESCRIPTOR.fields_by_name["change"].enum_type, found.change)
        before, after = (
            ", ".join(answering.credit_text(amount) for amount in amounts)
            for amounts in (found.credits_before, found.credits_after)
        )
        lines = "\n".join(
            f"{line.line} {line.achievement}: {line.rule_before or '–'} → {line.rule_after or '–'}"
            for line in found.lines
        )
        table.add_row(*_cells(found.reference, _say(CHANGES[change], lang), before, after, lines))
    told = (
        f"{response.gain} gain, {response.lose} lose, {response.same} stay the same. Nothing was published.",
        f"{response.gain} gagnent, {response.lose} perdent, {response.same} inchangés. Rien n'a été publié.",
    )
    _print(table, response.position, lang, _say(told, lang))
