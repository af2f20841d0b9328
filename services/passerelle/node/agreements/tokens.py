"""Words and signs of a cell of a transfer guide, each with its place, so that an error can point at it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from passerelle.node.agreements.book import Book, Institution
from passerelle.node.csv_cells import CellError

MAX_TOKENS: Final = 2_000
_TOKEN: Final = re.compile(r"\s*([()&,;]|[^\s()&,;]+)")
_DASHES: Final = frozenset({"-", "–", "—"})


@dataclass(frozen=True, slots=True)
class Token:
    """A word or sign; ``place`` counts characters from 1."""

    text: str
    place: int

    @property
    def low(self) -> str:
        """The text in lower case; every dash is a hyphen."""
        return "-" if self.text in _DASHES else self.text.lower()


class Tokens:
    """The tokens of one cell, and the institution and subject that a course without them has from the one before."""

    def __init__(self, text: str, book: Book, institution: Institution | None, code: str) -> None:
        """``institution`` is the one of the row's own column, if it has one; ``code`` the error code of this cell."""
        self.items = [Token(found[1], found.start(1) + 1) for found in _TOKEN.finditer(text)]
        self.book = book
        self.institution = institution
        self.subject = ""
        self.code = code
        self.end = len(text) + 1
        self.next = 0
        if len(self.items) > MAX_TOKENS:
            raise CellError("expression-too-large", f"the cell has more than {MAX_TOKENS} words")

    def peek(self, ahead: int = 0) -> Token:
        """The token so many places ahead; an empty one at the end."""
        place = self.next + ahead
        return self.items[place] if place < len(self.items) else Token("", self.end)

    def take(self) -> Token:
        """The next token."""
        token = self.peek()
        self.next += 1
        return token

    def take_if(self, *words: str) -> bool:
        """Take the next token where it is one of these."""
        if self.peek().low in words and self.peek().text:
            self.next += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        """Take a sign that must stand here. Raises CellError."""
        token = self.take()
        if token.text != sign:
            raise self.wrong(token, f"'{sign}' must stand here")

    def wrong(self, token: Token, what: str, fix: str = "") -> CellError:
        """An error at a token."""
        return CellError(self.code, f"at character {token.place}: {what}", fix)

    def finish(self) -> None:
        """Raises CellError where something is left."""
        if self.peek().text:
            raise self.wrong(self.peek(), "nothing more can stand here")

    def named(self, is_number: re.Pattern[str], fix: str) -> tuple[Institution, str, Token]:
        """Institution, subject and number of a course; what is left out is that of the course before.

        Raises CellError where a course has no number, or the first one no institution or subject.
        """
        first = self.peek()
        if is_number.fullmatch(first.text):
            words = 0
        elif is_number.fullmatch(self.peek(1).text):
            words = 1
        elif is_number.fullmatch(self.peek(2).text):
            words = 2
        else:
            raise self.wrong(first, "a course is an institution, a subject and a number", fix)
        if words == 2:
            token = self.take()
            self.institution = self.book.find(token.text, f"at character {token.place}")
        if words:
            self.subject = self.take().text.upper()
        number = self.take()
        if self.institution is None:
            raise self.wrong(first, "the first course names no institution", fix)
        if not self.subject:
            raise self.wrong(first, "the first course names no subject", fix)
        return self.institution, self.subject, number
