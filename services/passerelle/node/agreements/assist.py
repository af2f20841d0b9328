"""Agreements as JSON close to that of ASSIST (California's articulation repository): course groups in positions.

    {"sendingInstitution": "UFV", "receivingInstitution": "SFU", "begin": "2020-09-01",
     "articulations": [{
       "id": "h213",
       "receiving": {"conjunction": "And", "courses": [{"prefix": "HIST", "courseNumber": "213", "units": 3}]},
       "sendingArticulation": {
         "items": [{"position": 0, "courseConjunction": "And",
            "items": [{"prefix": "RLST", "courseNumber": "201"}]}],
         "courseGroupConjunctions": [{"groupConjunction": "Or",
            "sendingCourseGroupBeginPosition": 0, "sendingCourseGroupEndPosition": 1}],
         "advisements": [{"type": "NFollowing", "amount": 2}],
         "deniedCourses": [{"prefix": "RLST", "courseNumber": "99", "id": "d99", "reason": "content"}],
         "noArticulationReason": null}}]}

Between groups in neighbouring positions stands the conjunction whose range covers both; And binds more than Or. An
advisement takes the place of the conjunctions: ``NFollowing`` asks for so many of the courses, ``NUnitsFrom`` for so
much credit from them, ``NInNAreas`` for so many courses in so many different groups. Each denied course is an
evaluation without credit; ``id`` and ``reason`` of its own are an addition to ASSIST's form. Source: the shape of
agreements that assist.org publishes; this is no copy of its interface.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import FormatError
from passerelle.node.agreements.book import Book, Institution, course_id
from passerelle.node.agreements.objects import Place, Rows, cells_of, error_row, institution_of, read_object
from passerelle.node.agreements.receiving import MAX_JOINED
from passerelle.node.agreements.table import DEFAULT_REASON, Read, Translated
from passerelle.node.agreements.writing import CannotSay, Stated, assigned_parts, plain_leaf
from passerelle.node.csv_cells import CellError

_WORDS: Final = ("and", "or")


def assist_file(path: Path, book: Book) -> Read:
    """The agreements of a file; each call reads it anew. Rows count the rules that come of it, from 2.

    Reading raises the errors of :func:`read_object`, and FormatError ``schema-invalid`` without ``articulations``.
    """

    def read() -> Rows:
        whole = Place(read_object(path), "file")
        if not isinstance(whole.value.get("articulations"), list):
            raise FormatError("schema-invalid", "the file has no list 'articulations'", where=str(path))
        number = 1
        for place in whole.items("articulations"):
            try:
                rules = _Articulation(book, whole, place).rules()
            except CellError as error:
                number += 1
                yield error_row(number, error)
                continue
            for rule in rules:
                number += 1
                yield cells_of(number, **rule)

    return read


class _Articulation:
    """One entry of the file."""

    def __init__(self, book: Book, whole: Place, place: Place) -> None:
        self.place = place
        self.whole = whole
        self.sender = institution_of(book, self._holder("sendingInstitution"), "sendingInstitution")
        self.receiver = institution_of(book, self._holder("receivingInstitution"), "receivingInstitution")

    def _holder(self, name: str) -> Place:
        """Where a value stands that the whole file may state for all entries."""
        return self.place if self.place.has(name) else self.whole

    def _stated(self, name: str, default: str | None = None) -> str:
        return self._holder(name).text(name, default)

    def rules(self) -> list[dict[str, Any]]:
        """The rule, and one without credit for each denied course."""
        sent = self.place.get("sendingArticulation")
        name = self.place.text("id")
        common = {
            "institution": self.receiver,
            "begin": self._stated("begin"),
            "end": self._stated("end", ""),
            "note": self.place.text("note", ""),
            "source": self._stated("source", ""),
        }
        found: list[dict[str, Any]] = []
        groups = sent.items("items")
        if groups:
            outcome = self._outcome(self.place.get("receiving"))
            found.append({**common, "identifier": name, "sending": self._sending(sent, groups), "outcome": outcome})
        denied = sent.items("deniedCourses")
        for course in denied:
            leaf = self._leaf(course)
            local = leaf["achievement"].partition("/")[2]
            own = {
                "identifier": course.text("id", f"{name}-denied-{local}"),
                "reason": course.text("reason", DEFAULT_REASON),
            }
            found.append({**common, **own, "sending": leaf, "outcome": None})
        if not found:
            told = sent.has("noArticulationReason")
            what = "no course articulates, so there is no rule" if told else "there is no sending course"
            raise sent.wrong(what, "Leave the entry out; no rule says the same.", "import-nothing")
        return found

    def _leaf(self, course: Place) -> dict[str, Any]:
        return {"achievement": course_id(self.sender, *_coded(course))}

    def _sending(self, sent: Place, groups: list[Place]) -> dict[str, Any]:
        order = sorted(groups, key=lambda group: _whole(group, "position"))
        positions = [_whole(group, "position") for group in order]
        if len(set(positions)) != len(positions):
            raise sent.wrong("two course groups stand in one position", code="expression-invalid")
        advisements = sent.items("advisements")
        if len(advisements) > 1:
            raise sent.wrong("more than one advisement", "Split the entry.", "expression-invalid")
        if advisements:
            return self._advised(advisements[0], order)
        runs: list[list[dict[str, Any]]] = [[self._group(order[0])]]
        for before, after in pairwise(order):
            joined = _conjunction(sent, _whole(before, "position"), _whole(after, "position"))
            if joined == "and":
                runs[-1].append(self._group(after))
            else:
                runs.append([self._group(after)])
        return _join("any_of", [_join("all_of", run) for run in runs])

    def _courses(self, group: Place) -> list[dict[str, Any]]:
        courses = [self._leaf(course) for course in group.items("items")]
        if not courses:
            raise group.wrong("the group holds no course", code="expression-invalid")
        return courses

    def _group(self, group: Place) -> dict[str, Any]:
        return _join("all_of" if _word(group, "courseConjunction") == "and" else "any_of", self._courses(group))

    def _advised(self, advisement: Place, order: list[Place]) -> dict[str, Any]:
        kind, amount = advisement.text("type"), _whole(advisement, "amount", least=1)
        every = [course for group in order for course in self._courses(group)]
        if kind == "NFollowing":
            return {"n_of": {"n": amount, "of": every}}
        if kind == "NUnitsFrom":
            credits = {"value": advisement.text("amount"), "system": self.sender.credit_system}
            return {"credits_from": {"credits": credits, "of": every}}
        if kind == "NInNAreas":
            if _whole(advisement, "areas", least=1) != amount:
                what = "so many courses in fewer areas cannot be said by one rule"
                raise advisement.wrong(what, "Split the entry, area by area.", "expression-invalid")
            return {"n_of": {"n": amount, "of": [_join("any_of", self._courses(group)) for group in order]}}
        fix = "Use NFollowing, NUnitsFrom or NInNAreas."
        raise advisement.wrong("the advisement is not a known one", fix, "value-not-allowed")

    def _outcome(self, receiving: Place) -> dict[str, Any]:
        courses = receiving.items("courses")
        if not courses or len(courses) > MAX_JOINED:
            raise receiving.wrong(f"one to {MAX_JOINED} receiving courses are needed")
        parts = [_assigned(self.receiver, course) for course in courses]
        if len(parts) == 1:
            return parts[0]
        return {"type": "sum" if _word(receiving, "conjunction") == "and" else "choice", "of": parts}


def _assigned(receiver: Institution, course: Place) -> dict[str, Any]:
    credits = {"value": course.text("units"), "system": receiver.credit_system}
    return {"type": "assigned", "achievement": course_id(receiver, *_coded(course)), "credits": credits}


def _coded(course: Place) -> tuple[str, str]:
    """Subject and number. Raises CellError where they are no code of a course."""
    subject, number = course.text("prefix").replace(" ", ""), course.text("courseNumber")
    if not (subject.isalnum() and number.isalnum() and subject.isascii() and number.isascii()):
        raise course.wrong("prefix and courseNumber are not those of a course")
    return subject, number


def _whole(place: Place, name: str, *, least: int = 0) -> int:
    found = place.get(name)
    if isinstance(found.value, bool) or not isinstance(found.value, int) or not least <= found.value <= 10_000:
        raise found.wrong("this is no whole number in its bounds", code="number-malformed")
    return found.value


def _word(place: Place, name: str) -> str:
    """``and`` or ``or``; ``and`` where nothing is stated."""
    word = place.text(name, "And").lower()
    if word not in _WORDS:
        raise place.wrong(f"{name} is neither And nor Or", "Write And or Or.", "value-not-allowed")
    return word


def _conjunction(sent: Place, before: int, after: int) -> str:
    """What joins two neighbouring groups: the narrowest range that covers both."""
    covering = []
    for one in sent.items("courseGroupConjunctions"):
        begin, end = (_whole(one, f"sendingCourseGroup{edge}Position") for edge in ("Begin", "End"))
        if begin <= before and after <= end:
            covering.append((end - begin, _word(one, "groupConjunction")))
    if not covering:
        what = f"no conjunction joins the groups in positions {before} and {after}"
        raise sent.wrong(what, "State it in courseGroupConjunctions.", "expression-invalid")
    return min(covering)[1]


def _join(kind: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return parts[0] if len(parts) == 1 else {kind: parts}


# Writing


class AssistWriter:
    """See :class:`passerelle.node.agreements.writing.JsonWriter`."""

    head = '{"articulations":['
    tail = "]}"

    def entry(self, stated: Stated, book: Book) -> dict[str, Any]:
        """One entry, which states its institutions and dates itself."""
        data = stated.data
        receiver = str(data["receiver"])
        if not book.lists(receiver):
            raise CannotSay("receiver")
        institution = book.of_member(receiver)
        courses = _Sender(book)
        found: dict[str, Any] = {"id": stated.id}
        if "outcome" in data:
            sent = _groups(data["sending"], courses)
            found["receiving"] = _receiving(stated, institution, book)
        else:
            denied = {**courses.course(data["sending"]), "id": stated.id, "reason": str(data["reason"])}
            sent = {"items": [], "deniedCourses": [denied]}
        found["sendingInstitution"] = courses.code
        found["receivingInstitution"] = institution.code
        found["begin"] = str(data["valid_from"])
        found |= {name: str(data[key]) for key, name in _TEXTS if data.get(key)}
        found["sendingArticulation"] = {**sent, "noArticulationReason": None}
        return found

    def again(self, entry: Mapping[str, Any], book: Book) -> Iterator[Translated]:
        """The rules of an entry."""
        for rule in _Articulation(book, Place({}, "file"), Place(entry, "file")).rules():
            yield cells_of(2, **rule)


_TEXTS: Final = (("valid_to", "end"), ("note", "note"), ("source", "source"))


class _Sender:
    """Courses of the one institution that sends: that of the first course."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.code = ""

    def course(self, expression: Mapping[str, Any]) -> dict[str, str]:
        """A course by prefix and number. Raises CannotSay."""
        found = self._book.course(plain_leaf(expression))
        if found is None or self.code not in {"", found[0]}:
            raise CannotSay("sending")
        self.code = found[0]
        return {"prefix": found[1], "courseNumber": found[2]}

    def system(self) -> str:
        """The credit system of its bare units."""
        return self._book.find(self.code, "in the export").credit_system


def _receiving(stated: Stated, institution: Institution, book: Book) -> dict[str, Any]:
    courses = []
    for part in assigned_parts(stated, institution.credit_system):
        found = book.course(str(part["achievement"]))
        if found is None or found[0] != institution.code:
            raise CannotSay("outcome")
        courses.append({"prefix": found[1], "courseNumber": found[2], "units": part["credits"]["value"]})
    choice = stated.data["outcome"]["type"] == "choice"
    return {"conjunction": "Or" if choice else "And", "courses": courses}


def _groups(sending: Mapping[str, Any], sender: _Sender) -> dict[str, Any]:
    """A sending expression as course groups. Raises CannotSay where it nests otherwise."""
    if "n_of" in sending or "credits_from" in sending:
        return _advisement(sending, sender)
    items: list[dict[str, Any]] = []
    between: list[str] = []
    for run in sending["any_of"] if "any_of" in sending and not _flat(sending) else [sending]:
        between += ["Or"] if items else []
        for number, part in enumerate(run["all_of"] if "all_of" in run and not _flat(run) else [run]):
            between += ["And"] if number else []
            items.append(_written_group(len(items), part, sender))
    conjunctions = [
        {
            "groupConjunction": word,
            "sendingCourseGroupBeginPosition": place,
            "sendingCourseGroupEndPosition": place + 1,
        }
        for place, word in enumerate(between)
    ]
    return {"items": items, "courseGroupConjunctions": conjunctions}


def _flat(expression: Mapping[str, Any]) -> bool:
    """Whether all parts are courses, so that one group holds them."""
    parts = expression.get("all_of") or expression.get("any_of") or []
    return all("achievement" in part for part in parts)


def _written_group(position: int, part: Mapping[str, Any], sender: _Sender) -> dict[str, Any]:
    leaves = part.get("all_of") or part.get("any_of") or [part]
    word = "Or" if "any_of" in part else "And"
    courses = [sender.course(leaf) for leaf in leaves]
    return {"position": position, "courseConjunction": word, "items": courses}


def _advisement(sending: Mapping[str, Any], sender: _Sender) -> dict[str, Any]:
    kind = "n_of" if "n_of" in sending else "credits_from"
    asked, parts = sending[kind], sending[kind]["of"]
    whole = {"any_of": parts}
    if kind == "n_of" and not _flat(whole):
        groups = [_written_group(place, part, sender) for place, part in enumerate(parts)]
        return {"items": groups, "advisements": [{"type": "NInNAreas", "amount": asked["n"], "areas": asked["n"]}]}
    group = _written_group(0, whole, sender)
    if kind == "n_of":
        return {"items": [group], "advisements": [{"type": "NFollowing", "amount": asked["n"]}]}
    amount, system = asked["credits"]["value"], asked["credits"]["system"]
    if system != sender.system() or not amount.isdigit():
        raise CannotSay("sending")
    return {"items": [group], "advisements": [{"type": "NUnitsFrom", "amount": int(amount)}]}
