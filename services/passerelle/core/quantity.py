"""Exact numbers: quantities as text, and amounts of credit in their own systems.

A quantity is text on the network and :class:`fractions.Fraction` in memory, never floating point: cegep units come in
thirds (College Education Regulations, C-29, r. 4). Two amounts are compared within one credit system only. Between
systems a conversion holds only where a table states it, in the direction stated; otherwise the answer is that they
cannot be compared, which is different from either being smaller.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from passerelle.core.errors import FormatError

CREDIT_SYSTEMS: Final = (
    "credit-hours",
    "units",
    "course-weights",
    "quebec-university-credits",
    "cegep-units",
    "apprenticeship-level",
    "contact-hours",
    "ceu",
    "ects",
)
"""The credit systems of the network, as the event models list them."""

MAX_WHOLE: Final = 999_999
"""Largest whole part, and largest numerator of a fraction."""
MAX_DENOMINATOR: Final = 99_999
_DECIMAL_PLACES: Final = 4
_FORM: Final = re.compile(r"(0|[1-9][0-9]{0,5})(?:\.([0-9]{1,4})|/([1-9][0-9]{0,4}))?")

Conversions = Mapping[tuple[str, str], Fraction]
"""Stated ratios: ``{("course-weights", "units"): Fraction(6)}`` says that one course weight is six units. The inverse
is not implied: who converts the other way states so."""


def parse_quantity(text: object, *, where: str = "") -> Fraction:
    """The exact value of ``3``, ``2.5`` or ``7/3``.

    At most six digits before the point and four after, or a numerator of six digits over a denominator of five; no
    sign, exponent, space or leading zero. Raises :class:`FormatError` ``fraction-malformed``.
    """
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise FormatError(
            "fraction-malformed",
            "The value is not a quantity such as 3, 2.5 or 7/3.",
            where=where,
            fix="Write digits, with at most four decimals, or a fraction of two whole numbers.",
        )
    whole, decimals, denominator = found.groups()
    if denominator is not None:
        return Fraction(int(whole), int(denominator))
    if decimals is not None:
        return Fraction(int(whole + decimals), 10 ** len(decimals))
    return Fraction(int(whole))


def show_quantity(value: Fraction) -> str:
    """The canonical text of any exact value, for people: decimals where four suffice, otherwise a reduced fraction.

    Unlike :func:`format_quantity` it has no bounds, so that sums and differences can be shown; a negative value keeps
    its sign.
    """
    scaled = abs(value) * 10**_DECIMAL_PLACES
    if scaled.denominator != 1:
        return str(value)
    whole, decimals = divmod(scaled.numerator, 10**_DECIMAL_PLACES)
    fraction = f".{decimals:0{_DECIMAL_PLACES}d}".rstrip("0").rstrip(".")
    return f"{'-' if value < 0 else ''}{whole}{fraction}"


def format_quantity(value: Fraction, *, where: str = "") -> str:
    """The canonical text of a value as it may stand in an event; ``parse_quantity`` gives the value back.

    Raises :class:`FormatError` ``value-out-of-range`` for a negative value or one beyond the bounds of the form.
    """
    text = show_quantity(value)
    if _FORM.fullmatch(text) is None:
        raise FormatError(
            "value-out-of-range",
            "The value does not fit a quantity.",
            where=where,
            fix=f"Use a value from 0 to {MAX_WHOLE}, with a denominator of at most {MAX_DENOMINATOR}.",
        )
    return text


@dataclass(frozen=True, slots=True)
class Credits:
    """An amount of credit: exact value and system (one of :data:`CREDIT_SYSTEMS`).

    ``apprenticeship-level`` counts levels; ``contact-hours`` hours; ``ceu`` continuing education units.
    """

    value: Fraction
    system: str

    def as_data(self) -> dict[str, str]:
        """``{"value": "7/3", "system": "cegep-units"}``."""
        return {"value": show_quantity(self.value), "system": self.system}


def parse_credits(data: Mapping[str, Any], *, where: str = "") -> Credits:
    """Read ``{"value", "system"}``. Raises :class:`FormatError`: ``fraction-malformed``, ``credit-system-unknown``."""
    system = data.get("system")
    if system not in CREDIT_SYSTEMS:
        raise FormatError(
            "credit-system-unknown",
            "The credit system is not one of the network's.",
            where=f"{where}.system".lstrip("."),
            fix=f"Use one of: {', '.join(CREDIT_SYSTEMS)}.",
        )
    return Credits(parse_quantity(data.get("value"), where=f"{where}.value".lstrip(".")), str(system))


def convert(amount: Credits, system: str, conversions: Conversions) -> Fraction | None:
    """The amount in ``system``, or None where no stated ratio leads there in one step."""
    if amount.system == system:
        return amount.value
    ratio = conversions.get((amount.system, system))
    return None if ratio is None else amount.value * ratio


def compare_credits(left: Credits, right: Credits, conversions: Conversions | None = None) -> int | None:
    """-1, 0 or 1 as ``left`` is less than, equal to or more than ``right``; None where they cannot be compared.

    A different system is compared only through a stated ratio, from left to right or, failing that, from right to left.
    """
    table = conversions or {}
    converted = convert(left, right.system, table)
    other = right.value
    if converted is None:
        back = convert(right, left.system, table)
        if back is None:
            return None
        converted, other = left.value, back
    return (converted > other) - (converted < other)


@dataclass(frozen=True, slots=True)
class Total:
    """A sum in one system, and the amounts that could not be brought into it."""

    value: Fraction
    system: str
    left_out: tuple[Credits, ...] = field(default=())


def total_credits(amounts: Iterable[Credits], system: str, conversions: Conversions | None = None) -> Total:
    """Sum the amounts in ``system``; what has no stated ratio is left out and named, never guessed."""
    value, left_out = Fraction(0), []
    for amount in amounts:
        converted = convert(amount, system, conversions or {})
        if converted is None:
            left_out.append(amount)
        else:
            value += converted
    return Total(value, system, tuple(left_out))
