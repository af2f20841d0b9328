"""The shared ground of all event models: strictness, identifiers and small value types.

Sources: CloudEvents 1.0 (context attributes), BCP 47 (language tags), ISO 3166 (jurisdictions),
RFC 9562 (UUID version 7), and ``contracts/formats.md`` for identifiers.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)


class Model(BaseModel):
    """Base of every model: immutable, unknown fields refused, input values never echoed in errors."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=False,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


def _text(maximum: int, minimum: int = 1) -> Any:
    return StringConstraints(min_length=minimum, max_length=maximum, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")


MEMBER_PATTERN = r"[a-z][a-z0-9-]{1,39}"
LOCAL_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"
UUID_PATTERN = r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

MemberId = Annotated[str, StringConstraints(pattern=rf"^{MEMBER_PATTERN}$")]
"""A member's id, for example ``humber``."""

OwnedId = Annotated[str, StringConstraints(pattern=rf"^{MEMBER_PATTERN}/{LOCAL_PATTERN}$", max_length=121)]
"""``<member>/<local id>``: a thing in the namespace of the member that publishes it."""

AchievementId = OwnedId
RecognitionId = OwnedId

Uuid = Annotated[str, StringConstraints(pattern=rf"^{UUID_PATTERN}$")]
"""A lower-case UUID: version 7 for credentials, cases and events, version 4 for releases."""

CredentialId = Uuid

PartyUrn = Annotated[
    str,
    StringConstraints(
        pattern=rf"^urn:passerelle:(member:{MEMBER_PATTERN}|organisation:{MEMBER_PATTERN}/{LOCAL_PATTERN})$",
        max_length=160,
    ),
]
"""A member, or an organisation that is listed by the member named before the slash."""

FrameworkId = Annotated[str, StringConstraints(pattern=rf"^[a-z0-9][a-z0-9.-]{{1,59}}(/{LOCAL_PATTERN})?$")]
"""A framework: well known (``esco``, ``noc-2021``) or published by a member (``rru/climate-adaptation``)."""

SchemeId = FrameworkId
"""A grading scheme: well known (``percentage-50``, ``letter-4.33``) or published by a member."""

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$")]
"""A BCP 47 tag: language, optional script and region."""

Jurisdiction = Annotated[str, StringConstraints(pattern=r"^(CA(-(AB|BC|MB|NB|NL|NS|NT|NU|ON|PE|QC|SK|YT))?|[A-Z]{2})$")]
"""ISO 3166-2 of a Canadian province or territory, ``CA`` for the whole country, or another country's code."""

ShortText = Annotated[str, _text(300)]
LongText = Annotated[str, _text(4000)]
Code = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e][\x20-\x7e]{0,79}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
PublicKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Url = Annotated[str, StringConstraints(pattern=r"^https://[\x21-\x7e]{3,500}$")]
Noc = Annotated[str, StringConstraints(pattern=r"^[0-9]{5}$")]
"""A unit group of the National Occupational Classification 2021, five digits."""

Quantity = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,5})(\.[0-9]{1,4}|/[1-9][0-9]{0,4})?$")]
"""An exact, non-negative number as text: ``3``, ``2.5`` or the fraction ``7/3``. Never floating point."""

Translations = dict[Language, ShortText]

MinimumAggregate = 10
"""Published counts below this are suppressed (privacy)."""


DATE_PATTERN: Final = r"(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
INSTANT_PATTERN: Final = (
    rf"{DATE_PATTERN}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{{1,9}})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
"""RFC 3339, section 5.6, in upper case, no leap seconds; years 1900 to 2199, so that any offset can be applied."""

_DATE: Final = re.compile(DATE_PATTERN)
_INSTANT: Final = re.compile(INSTANT_PATTERN)


def _as_date(value: object) -> object:
    if not isinstance(value, str):
        return value
    # The form is checked, and the text turned into a date, here: the parser behind would take Unix times written as
    # text too, and in strict mode takes no text at all from a function.
    if not _DATE.fullmatch(value):
        raise ValueError("a date has the form YYYY-MM-DD, its year between 1900 and 2199")
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise ValueError("the month has no such day") from None


def _as_instant(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not _INSTANT.fullmatch(value):
        raise ValueError("an instant has the form 2026-11-02T14:05:00Z, with its offset")
    try:
        return dt.datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("the month has no such day") from None


def _aware(value: dt.datetime) -> dt.datetime:
    if value.tzinfo is None:
        raise ValueError("an instant needs an offset, for example 2026-11-02T14:05:00Z")
    return value


Date = Annotated[
    dt.date,
    BeforeValidator(_as_date),
    WithJsonSchema({"type": "string", "format": "date", "pattern": f"^{DATE_PATTERN}$"}),
]
"""A calendar date, ISO 8601 ``YYYY-MM-DD``."""

Instant = Annotated[
    dt.datetime,
    BeforeValidator(_as_instant),
    AfterValidator(_aware),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{INSTANT_PATTERN}$"}),
]
"""An RFC 3339 instant with its offset."""

SmallCount = Annotated[int, Field(ge=0, le=1_000_000)]
Version = Annotated[int, Field(ge=1, le=1_000_000)]
