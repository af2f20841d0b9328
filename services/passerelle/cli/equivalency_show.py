"""How the answers of ``passerelle equivalency`` look in a terminal, in English or French."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from passerelle.cli import answering

if TYPE_CHECKING:
    from rich.tree import Tree

VERDICTS: Final = {
    "agreement": ("agreement", "entente"),
    "no-credit": ("no credit", "aucun crédit"),
    "case-by-case": ("case by case", "au cas par cas"),
    "under-evaluation": ("under evaluation", "à l'étude"),
    "never-evaluated": ("never evaluated", "jamais évalué"),
    "match": ("match", "correspond"),
    "maybe": ("maybe", "peut-être"),
    "miss": ("no match", "ne correspond pas"),
}
FINDINGS: Final = {
    "met": ("met", "satisfait"),
    "not-met": ("not met", "non satisfait"),
    "unknown": ("unknown", "inconnu"),
}
ADMISSION: Final = ("Credit is subject to admission.", "Les crédits sont accordés sous réserve de l'admission.")


def chosen(pair: tuple[str, str], lang: str) -> str:
    """The English or the French of a pair."""
    return pair[1] if lang == "fr" else pair[0]


def show_answers(first: Any, answers: list[Any], lang: str, *, by_sending: bool) -> None:
    """The answers of a look-up as a tree."""
    from rich.tree import Tree

    root = Tree(f"[bold]{plain(first.title)}[/bold]  {plain(first.achievement)}")
    for answer in answers:
        rule = answer.rule
        verdict = answering.word(answer.DESCRIPTOR.fields_by_name["verdict"].enum_type, answer.verdict)
        place = ", ".join(answer.receiver_jurisdictions)
        who = answering.name_of(answer.receiver_names, lang, answer.receiver)
        branch = root.add(f"[bold]{chosen(VERDICTS[verdict], lang)}[/bold]  {plain(who)}  {plain(place)}".rstrip())
        if rule.id:
            dates = f"{rule.valid_from} – {rule.valid_to or '…'}" if rule.valid_from else ""
            version = f" v{rule.version}" if rule.version else ""
            branch.add(f"{plain(rule.id)}{version}  {plain(rule.kind)}  {dates}".rstrip())
        if rule.HasField("sending") and (by_sending or rule.sending.WhichOneof("kind") != "leaf"):
            grow(branch, rule.sending, lang)
        if rule.HasField("outcome"):
            show_outcome(branch, rule.outcome)
        for reason in answer.reasons:
            branch.add(plain(answering.reason_text(reason, lang)))
    out = answering.console()
    out.print(root)
    out.print(chosen(ADMISSION, lang))
    out.print(answering.position_text(first.position, lang))


def plain(text: str) -> str:
    """Published text is shown as it is: square brackets in it are no markup."""
    from rich.markup import escape

    return escape(text)


def grow(branch: Tree, expression: Any, lang: str) -> None:
    """A sending expression as a tree."""
    kind = expression.WhichOneof("kind")
    if kind == "leaf":
        leaf = expression.leaf
        grade = f"  ≥ {leaf.minimum_grade.grade} ({leaf.minimum_grade.scheme})" if leaf.minimum_grade.grade else ""
        branch.add(plain(f"{leaf.achievement}  {leaf.title}{grade}"))
        return
    labels = {
        "all_of": ("all of", "tous"),
        "any_of": ("any of", "au moins un de"),
        "n_of": (f"{expression.n_of.n} of", f"{expression.n_of.n} parmi"),
        "credits_from": (f"{answering.credit_text(expression.credits_from.credits)} from",) * 2,
    }
    inner = branch.add(chosen(labels[kind], lang))
    for part in getattr(expression, kind).parts:
        grow(inner, part, lang)


def show_outcome(branch: Tree, outcome: Any) -> None:
    """An outcome with its parts."""
    parts = [outcome.type, answering.credit_text(outcome.credits), outcome.achievement, outcome.title]
    parts += [outcome.subject, outcome.level, outcome.profession, outcome.reason, outcome.note]
    if outcome.entry_year:
        parts.append(f"year {outcome.entry_year}")
    if outcome.applicability not in {"", "any"}:
        parts.append(outcome.applicability)
    inner = branch.add(plain("→ " + "  ".join(part for part in parts if part)))
    for part in outcome.of:
        show_outcome(inner, part)


def show_lines(request: Any, lines: list[Any], last: Any, lang: str) -> None:
    """A transcript as a table, and its totals."""
    from rich.table import Table

    heads = (("line", "ligne"), ("achievement", "réalisation"), ("receiver", "accueil"), ("answer", "réponse"))
    table = Table(*(chosen(head, lang) for head in heads), chosen(("why, and what is missing", "motifs"), lang))
    for line in lines:
        verdict = answering.word(line.DESCRIPTOR.fields_by_name["match"].enum_type, line.match)
        why = [answering.reason_text(reason, lang) for reason in line.reasons]
        if line.smallest_fix:
            why.append("+ " + ", ".join(line.smallest_fix))
        asked = request.lines[line.line - 1].achievement
        answer = chosen(VERDICTS[verdict], lang)
        table.add_row(str(line.line), plain(asked), plain(line.receiver), answer, plain("\n".join(why)))
    out = answering.console()
    out.print(table)
    summary = last.summary
    counts = (("match", summary.matched), ("maybe", summary.maybe), ("miss", summary.missed))
    out.print("  ".join(f"{chosen(VERDICTS[name], lang)}: {number}" for name, number in counts))
    for total in summary.receivers:
        amounts = ", ".join(answering.credit_text(amount) for amount in total.credits) or "0"
        inside = ", ".join(answering.credit_text(amount) for amount in total.towards)
        share = f"  ({chosen(('towards the programme', 'au programme'), lang)}: {inside})" if inside else ""
        notes = "".join(f"  {answering.reason_text(reason, lang)}" for reason in total.reasons)
        out.print(plain(f"{total.receiver}: {amounts}{share}{notes}"))
        for cap in total.caps:
            finding = chosen(FINDINGS[cap.finding], lang)
            out.print(plain(f"  {cap.pack} v{cap.pack_version} {cap.clause}: {finding}. {cap.message[lang]}"))
        if total.caps:
            within = ", ".join(answering.credit_text(amount) for amount in total.within_caps) or "0"
            out.print(plain(f"  {chosen(('within the caps', 'dans les plafonds'), lang)}: {within}"))
    out.print(chosen(ADMISSION, lang))
    out.print(answering.position_text(last.position, lang))


def show_found(first: Any, found: list[Any], lang: str) -> None:
    """Achievements as a table."""
    from rich.table import Column, Table

    heads = (("id", "id"), ("title", "titre"), ("kind", "type"), ("credits", "crédits"), ("delivery", "prestation"))
    more = (("hours", "heures"), ("cost (CAD)", "coût (CAD)"))
    # Ids are copied into other commands: they are folded rather than cut.
    table = Table(*(Column(chosen(head, lang), overflow="fold") for head in (*heads, *more)))
    for one in found:
        title = one.translations.get(lang) if one.language != lang else None
        table.add_row(
            plain(one.id),
            plain(title or one.title),
            one.kind,
            ", ".join(answering.credit_text(amount) for amount in one.credits),
            ", ".join(one.delivery_modes),
            one.effort_hours,
            one.cost_cad,
        )
    out = answering.console()
    out.print(table)
    out.print(chosen((f"{first.total} found", f"{first.total} trouvées"), lang))
    out.print(answering.position_text(first.position, lang))


def show_one(response: Any, lang: str) -> None:
    """One achievement."""
    from rich.tree import Tree

    one = response.achievement
    root = Tree(f"[bold]{plain(one.title)}[/bold]  {plain(one.id)} v{one.version}  {one.kind}")
    facts = [", ".join(one.delivery_modes), f"{one.effort_hours} h" if one.effort_hours else ""]
    facts += [f"{one.cost_cad} CAD" if one.cost_cad else "", *(answering.credit_text(amount) for amount in one.credits)]
    if any(facts):
        root.add(plain("  ".join(fact for fact in facts if fact)))
    for mark in response.endorsements:
        who = answering.name_of(mark.names, lang, mark.member)
        root.add(plain(f"✓ {who} ({mark.capacity}): {', '.join(mark.kinds)}  {', '.join(mark.jurisdictions)}"))
    out = answering.console()
    out.print(root)
    out.print(answering.position_text(response.position, lang))


def show_rules(response: Any, rules: list[Any], lang: str) -> None:
    """Rules as a table."""
    from rich.table import Column, Table

    heads = (("rule", "règle"), ("sends", "envoi"), ("gives", "donne"), ("dates", "dates"))
    table = Table(*(Column(chosen(head, lang), overflow="fold") for head in heads))
    for rule in rules:
        outcome = f"{rule.outcome.achievement or rule.outcome.type} {answering.credit_text(rule.outcome.credits)}"
        dates = f"{rule.valid_from} – {rule.valid_to or '…'}"
        table.add_row(plain(rule.id), plain(", ".join(_leaves(rule.sending))), plain(outcome.strip()), dates)
    out = answering.console()
    out.print(table)
    out.print(chosen(ADMISSION, lang))
    out.print(answering.position_text(response.position, lang))


def _leaves(expression: Any) -> list[str]:
    kind = expression.WhichOneof("kind")
    if kind == "leaf":
        return [expression.leaf.achievement]
    return [name for part in getattr(expression, kind).parts for name in _leaves(part)]


def show_pathways(response: Any, lang: str) -> None:
    """Pathways, the best first, with their steps."""
    from rich.tree import Tree

    root = Tree(f"[bold]{plain(response.title)}[/bold]  {plain(response.target)}")
    words = {
        "rule": ("apply", "appliquer"),
        "stack": ("put together", "réunir"),
        "earn": ("earn", "obtenir"),
    }
    for number, path in enumerate(response.pathways, 1):
        lost = ", ".join(answering.credit_text(amount) for amount in path.credits_lost) or "0"
        facts = [f"{chosen(('credit lost', 'crédits perdus'), lang)}: {lost}"]
        facts += [f"{path.effort_hours} h"] if path.effort_hours else []
        facts += [f"{path.cost_cad} CAD"] if path.cost_cad else []
        branch = root.add(plain(f"{number}. {'  '.join(facts)}"))
        for step in path.steps:
            amounts = ", ".join(answering.credit_text(amount) for amount in step.credits)
            uses = f" ← {', '.join(step.uses)}" if step.uses else ""
            name = step.rule.id or step.achievement
            branch.add(plain(f"{chosen(words[step.kind], lang)} {name}{uses}  {amounts}".rstrip()))
    if not response.pathways:
        root.add(chosen(("No published rule leads there.", "Aucune règle publiée n'y mène."), lang))
    out = answering.console()
    out.print(root)
    out.print(chosen(ADMISSION, lang))
    out.print(answering.position_text(response.position, lang))
