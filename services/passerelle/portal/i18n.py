"""English and French: message catalogues, and numbers, money and dates as people write them in Canada."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files
from typing import Any, Final

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal

from passerelle.core.errors import code_info
from passerelle.runtime.clock import as_datetime
from passerelle.runtime.language import LANGUAGES

_LOCALES: Final = {"en": "en_CA", "fr": "fr_CA"}
_PLAIN: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


class Catalogue:
    """The messages of one language, with its ways of writing numbers and dates."""

    def __init__(self, language: str, messages: Mapping[str, str]) -> None:
        self.language = language
        self.locale = _LOCALES[language]
        self.messages = messages

    def t(self, key: str, /, **values: Any) -> str:
        """The message with its values put in. An unknown key is a defect (LookupError), found by the tests."""
        return self.messages[key].format_map(values) if values else self.messages[key]

    def n(self, key: str, count: int, /, **values: Any) -> str:
        """The message for a count: ``<key>.one`` or ``<key>.other``, by the language's rule (French: 0 is singular)."""
        one = count == 1 or (self.language == "fr" and count == 0)
        return self.t(f"{key}.{'one' if one else 'other'}", n=self.number(count), **values)

    def single(self, quantity: str) -> bool:
        """Whether an exact quantity takes the singular: 1 in English, anything below 2 in French."""
        value = Fraction(quantity)
        return value < 2 if self.language == "fr" else value == 1

    def hours(self, quantity: str) -> str:
        """A number of hours in words."""
        return self.t(f"badge.hours.{'one' if self.single(quantity) else 'other'}", n=self.quantity(quantity))

    def credits(self, amount: Mapping[str, str]) -> str:
        """An amount of credit with its system in words."""
        group = "system-one" if self.single(amount["value"]) else "system"
        return f"{self.quantity(amount['value'])} {self.label(group, amount['system'])}"

    def label(self, group: str, value: str) -> str:
        """The label of a coded value, or the value itself where there is none: codes grow before the pages do."""
        return self.messages.get(f"{group}.{value}", value)

    def labels(self, group: str) -> dict[str, str]:
        """All labels of a group by value."""
        start = group + "."
        return {key.removeprefix(start): text for key, text in self.messages.items() if key.startswith(start)}

    def number(self, value: int | Decimal) -> str:
        """A number with the language's separators."""
        return str(format_decimal(value, locale=self.locale))

    def quantity(self, text: str) -> str:
        """An exact quantity: decimals in the language's form, a fraction as it is."""
        return self.number(Decimal(text)) if _PLAIN.fullmatch(text) else text

    def money(self, text: str) -> str:
        """Canadian dollars, without cents where there are none."""
        if not _PLAIN.fullmatch(text):
            return f"{text} $"
        value = Decimal(text)
        if value == value.to_integral_value():
            pattern = "¤#,##0" if self.language == "en" else "#,##0\u00a0¤"
            return str(format_currency(value, "CAD", pattern, locale=self.locale, currency_digits=False))
        return str(format_currency(value, "CAD", locale=self.locale))

    def date(self, text: str) -> str:
        """An ISO date in words; what is no date comes back as it is."""
        try:
            day = dt.date.fromisoformat(text)
        except ValueError:
            return text
        words = str(format_date(day, "d MMMM y", locale=self.locale))
        # French writes the first of a month as an ordinal, which the locale data leave out.
        return f"1er{words[1:]}" if self.language == "fr" and day.day == 1 else words

    def instant(self, instant_ms: int) -> str:
        """Date and time in UTC, to the second."""
        return str(format_datetime(as_datetime(instant_ms), "d MMM y, HH:mm:ss 'UTC'", locale=self.locale))

    def short_instant(self, instant_ms: int) -> str:
        """Date and time in UTC, to the minute."""
        return str(format_datetime(as_datetime(instant_ms), "d MMM, HH:mm", locale=self.locale))

    def jurisdictions(self, codes: Iterable[str]) -> str:
        """Names of provinces, territories and countries, joined by commas."""
        return ", ".join(self.label("jurisdiction", code) for code in codes)

    def code(self, code: str) -> str:
        """The title of an error or refusal code."""
        info = code_info(code)
        return info.title_fr if self.language == "fr" else info.title

    def pick(self, texts: Mapping[str, str], default: str = "") -> str:
        """The text in this language, else in any."""
        return texts.get(self.language) or next(iter(texts.values()), default)

    def pick_language(self, texts: Mapping[str, str]) -> str:
        """The language of what :meth:`pick` gives, for the ``lang`` attribute; empty where it is the page's own."""
        if not texts or self.language in texts:
            return ""
        return next(iter(texts))


def load() -> dict[str, Catalogue]:
    """The catalogues of all languages."""
    folder = files("passerelle.portal") / "locales"
    return {
        language: Catalogue(language, json.loads((folder / f"{language}.json").read_text(encoding="utf-8")))
        for language in LANGUAGES
    }
