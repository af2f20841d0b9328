"""Members of the story, and the operator's events about them. Names are real; keys, roles and dates are samples."""

from __future__ import annotations

from typing import Any, Final

from passerelle.events.examples.model import Bad, Example, sha256, signing_key

OPERATOR: Final = "passerelle"

# Public keys of RFC 8032, section 7.1: their private halves are known to everyone, so nobody can mistake them.
HUMBER_KEY: Final = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
HUMBER_NEXT_KEY: Final = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
OPERATOR_KEY: Final = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"

_HUMBER: Final = {
    "member": "humber",
    "kind": "college",
    "names": {"en": "Humber College"},
    "jurisdictions": ["CA-ON"],
    "roles": ["issue", "recognise"],
    "authority": "Ontario Colleges of Applied Arts and Technology Act, 2002",
    "keys": [{**signing_key(HUMBER_KEY), "valid_from": "2026-01-05T00:00:00Z", "valid_to": "2027-01-05T00:00:00Z"}],
    "sample": True,
}


def _admit(at: str, member: str, kind: str, names: dict[str, str], jurisdiction: str, *roles: str) -> Example:
    data: dict[str, Any] = {
        "member": member,
        "kind": kind,
        "names": names,
        "jurisdictions": [jurisdiction],
        "roles": list(roles),
        "keys": [signing_key(OPERATOR_KEY if member == OPERATOR else sha256(f"public key of {member}"))],
        "sample": True,
    }
    return Example("member.admitted", OPERATOR, member, at, data)


EXAMPLES: Final = (
    _admit(
        "2026-01-05T09:00:00Z",
        OPERATOR,
        "operator",
        {"en": "Operator of the network", "fr": "Exploitant du réseau"},
        "CA",
        "operate",
    ),
    Example(
        "member.admitted",
        OPERATOR,
        "humber",
        "2026-01-05T10:00:00Z",
        _HUMBER,
        Bad("field-missing", "data.keys", drop=("data.keys",)),
    ),
    _admit(
        "2026-01-05T10:05:00Z",
        "athabasca",
        "university",
        {"en": "Athabasca University"},
        "CA-AB",
        "issue",
        "recognise",
    ),
    _admit(
        "2026-01-05T10:10:00Z",
        "rru",
        "university",
        {"en": "Royal Roads University"},
        "CA-BC",
        "issue",
        "recognise",
    ),
    _admit(
        "2026-01-05T10:15:00Z",
        "bcit",
        "polytechnic",
        {"en": "British Columbia Institute of Technology"},
        "CA-BC",
        "issue",
        "recognise",
    ),
    _admit(
        "2026-01-05T10:20:00Z",
        "nscc",
        "college",
        {"en": "Nova Scotia Community College"},
        "CA-NS",
        "issue",
        "recognise",
    ),
    _admit(
        "2026-01-05T10:25:00Z",
        "queens",
        "university",
        {"en": "Queen's University"},
        "CA-ON",
        "issue",
        "recognise",
    ),
    _admit(
        "2026-01-05T10:30:00Z",
        "boreal",
        "college",
        {"fr": "Collège Boréal", "en": "Collège Boréal"},
        "CA-ON",
        "issue",
        "recognise",
    ),
    _admit(
        "2026-01-05T10:35:00Z",
        "bccat",
        "transfer-agency",
        {"en": "British Columbia Council on Admissions and Transfer"},
        "CA-BC",
        "read",
    ),
    _admit(
        "2026-01-05T10:40:00Z",
        "coast-builders",
        "sector-council",
        {"en": "Coast Builders' Council (sample)"},
        "CA-BC",
        "endorse",
        "recognise",
    ),
    _admit(
        "2026-01-05T10:45:00Z",
        "harbour-academy",
        "private-institution",
        {"en": "Harbour Training Academy (sample)"},
        "CA-NS",
        "issue",
    ),
    Example(
        "member.roles-changed",
        OPERATOR,
        "bccat",
        "2026-01-12T15:00:00Z",
        {"member": "bccat", "roles": ["articulate", "read"]},
        Bad("schema-invalid", "data.roles[0]", put={"data.roles.0": "administrator"}),
    ),
    Example(
        "member.keys-changed",
        OPERATOR,
        "humber",
        "2026-04-20T15:00:00Z",
        {
            "member": "humber",
            "add": [{**signing_key(HUMBER_NEXT_KEY), "valid_from": "2026-04-20T00:00:00Z"}],
            "remove": [{"key_id": signing_key(HUMBER_KEY)["key_id"], "distrust_from": {"credential": 9}}],
        },
        Bad("schema-invalid", "data.add[0].public_key", put={"data.add.0.public_key": HUMBER_NEXT_KEY.upper()}),
    ),
    Example(
        "member.suspended",
        OPERATOR,
        "harbour-academy",
        "2026-05-04T15:00:00Z",
        {"member": "harbour-academy", "reason": "Registration with the province under review (sample)"},
        Bad("nonce-unexpected", "nonce", put={"nonce": "A" * 43}),
    ),
    Example(
        "member.removed",
        OPERATOR,
        "harbour-academy",
        "2026-06-01T15:00:00Z",
        {"member": "harbour-academy", "reason": "Registration with the province ended (sample)"},
        Bad("field-malformed", "subject", put={"subject": "Harbour Training Academy"}),
    ),
)
