"""Lifecycles as tables: which step is legal in which state, and the state it leads to.

One table a kind of thing. ``ABSENT`` is the state of a thing that the ledger does not hold. Guards that need more than
the state (who acts, what the body names) stand in :mod:`passerelle.core.decide`.
"""

from __future__ import annotations

from typing import Final

ABSENT: Final = "absent"

Table = dict[str, dict[str, str]]

_SAME_ACHIEVEMENT: Final = {"achievement-endorsed": "published", "achievement-outcomes-reported": "published"}
_SUSPENDABLE: Final = {"amended": "issued", "suspended": "suspended", "revoked": "revoked", "erased": "erased"}

TABLES: Final[dict[str, Table]] = {
    "achievement": {
        ABSENT: {"achievement-published": "published"},
        "published": {"achievement-revised": "published", "achievement-retired": "retired", **_SAME_ACHIEVEMENT},
        "retired": {"achievement-outcomes-reported": "retired"},
    },
    "demand": {ABSENT: {"demand-stated": "stated"}, "stated": {"demand-stated": "stated"}},
    "credential": {
        ABSENT: {"issued": "issued"},
        # A joint award is not in force until every awarding body has co-signed.
        "awaiting-co-award": {"co-awarded": "issued", "revoked": "revoked", "erased": "erased"},
        "issued": _SUSPENDABLE,
        "suspended": {"reinstated": "issued", "revoked": "revoked", "erased": "erased"},
        "revoked": {"erased": "erased"},
        "erased": {},
    },
    "release": {
        ABSENT: {"release-granted": "granted"},
        "granted": {"release-withdrawn": "withdrawn"},
        "withdrawn": {},
    },
    "articulation": {
        ABSENT: {"requested": "requested"},
        "requested": {"returned": "returned", "forwarded": "requested", "declined": "declined", "answered": "answered"},
        "returned": {"resubmitted": "requested"},
        "answered": {},
        "declined": {},
    },
    "recognition": {
        ABSENT: {"granted": "in-force", "denied": "denied"},
        "in-force": {"revised": "in-force", "confirmed": "in-force", "ended": "ended"},
        "denied": {"ended": "ended", "confirmed": "denied"},
        "ended": {},
    },
    "assessment": {ABSENT: {"assessed": "assessed", "denied-individually": "denied"}, "assessed": {}, "denied": {}},
    "transfer": {
        ABSENT: {"requested": "requested"},
        "requested": {
            "evidence-added": "requested",
            "information-requested": "information-requested",
            "decided": "decided",
            "withdrawn": "withdrawn",
        },
        "information-requested": {
            "evidence-added": "requested",
            "information-requested": "information-requested",
            "decided": "decided",
            "withdrawn": "withdrawn",
        },
        # Decided again where a line waits for a grade, an admission, an enrolment or a department.
        "decided": {
            "decided": "decided",
            "posted": "posted",
            "appealed": "appealed",
            "withdrawn": "withdrawn",
            "closed": "closed",
        },
        "posted": {"decided": "decided", "adjusted": "posted", "appealed": "appealed", "closed": "closed"},
        "appealed": {
            "evidence-added": "appealed",
            "information-requested": "appealed",
            "decided": "decided",
            "withdrawn": "withdrawn",
        },
        "closed": {"adjusted": "closed", "appealed": "appealed"},
        "withdrawn": {},
    },
    # Studies elsewhere that an enrolled learner may take: the credit is promised before the course begins.
    "permission": {
        ABSENT: {"permission-granted": "granted", "permission-refused": "refused"},
        "granted": {"permission-amended": "granted", "permission-withdrawn": "withdrawn"},
        "refused": {},
        "withdrawn": {},
    },
    "framework": {
        ABSENT: {"framework-published": "published"},
        "published": {"framework-published": "published"},
    },
    "scale": {ABSENT: {"scale-published": "published"}, "published": {"scale-published": "published"}},
    "policy": {ABSENT: {"policy-published": "published"}, "published": {"policy-published": "published"}},
    "organisation": {
        ABSENT: {"organisation-listed": "listed"},
        "listed": {"organisation-listed": "listed"},
    },
    "delegation": {
        ABSENT: {"delegation-published": "published"},
        "published": {"delegation-published": "published"},
    },
}


def next_state(kind: str, state: str, step: str) -> str | None:
    """The state after ``step``, or None where the step is illegal in ``state``."""
    return TABLES[kind].get(state, {}).get(step)


def legal_steps(kind: str, state: str) -> tuple[str, ...]:
    """The steps that are legal in ``state``, for messages that say how to mend an illegal one."""
    return tuple(TABLES[kind].get(state, {}))
