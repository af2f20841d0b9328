"""Reference events of the story: a framework, a grading scale, a policy pack, a listed organisation, a delegation."""

from __future__ import annotations

from typing import Final

from passerelle.events.examples.members import OPERATOR
from passerelle.events.examples.model import Bad, Example

FRAMEWORK: Final = "rru/climate-adaptation"
SCALE: Final = "humber/percentage-60"

EXAMPLES: Final = (
    Example(
        "reference.framework-published",
        "rru",
        FRAMEWORK,
        "2026-01-19T17:00:00Z",
        {
            "framework": FRAMEWORK,
            "version": 1,
            "title": "Climate-adaptation competency framework",
            "language": "en",
            "translations": {"fr": "Référentiel de compétences en adaptation aux changements climatiques"},
            "kind": "competency",
            "owner": "Adaptation Learning Network",
            "recognised": True,
            "url": "https://adaptationlearningnetwork.com/",
            "terms": [
                {"code": "S1", "title": "Climate risk assessment (sample term)", "level": "practitioner"},
                {"code": "S1.1", "title": "Reading climate projections (sample term)", "broader": "S1"},
            ],
        },
        Bad("schema-invalid", "data.url", put={"data.url": "http://adaptationlearningnetwork.com/"}),
    ),
    Example(
        "reference.scale-published",
        "humber",
        SCALE,
        "2026-01-19T17:30:00Z",
        {
            "scheme": SCALE,
            "version": 1,
            "title": "Percentage, pass at 60 (sample)",
            "language": "en",
            "valid_from": "2020-09-01",
            "steps": [
                {"grade": "A", "rank": 40, "percentage_from": "80", "passes": True},
                {"grade": "B", "rank": 30, "percentage_from": "70", "passes": True},
                {"grade": "C", "rank": 20, "percentage_from": "60", "passes": True},
                {"grade": "F", "rank": 0, "percentage_from": "0", "passes": False},
            ],
        },
        Bad("schema-invalid", "data.steps", put={"data.steps": []}),
    ),
    Example(
        "reference.policy-published",
        OPERATOR,
        f"{OPERATOR}/heqco",
        "2026-01-19T18:00:00Z",
        {
            "policy": "heqco",
            "version": 1,
            "title": {"en": "HEQCO's definition of a micro-credential", "fr": "Définition du COQES"},
            "source": "Higher Education Quality Council of Ontario",
            "effective_from": "2021-05-01",
            "fields": {
                "achievement.delivery.elapsed_weeks": "double",
                "achievement.outcomes": "list(string)",
                "evidence.not_recorded": "bool",
                "evidence.relation_stated": "bool",
            },
            "clauses": [
                {
                    "id": "short",
                    "test": "cel",
                    "rule": "achievement.delivery.elapsed_weeks < 12.0 || evidence.not_recorded",
                    "force": "must",
                    "message": {"en": "A short programme", "fr": "Un programme court"},
                },
                {
                    "id": "discrete",
                    "test": "cel",
                    "rule": "size(achievement.outcomes) > 0",
                    "force": "must",
                    "message": {
                        "en": "Focused on a discrete set of competencies",
                        "fr": "Axé sur un ensemble précis de compétences",
                    },
                },
                {
                    "id": "related",
                    "test": "cel",
                    "rule": "evidence.relation_stated",
                    "force": "should",
                    "message": {
                        "en": "May relate to other credentials",
                        "fr": "Peut se rattacher à d'autres titres",
                    },
                },
            ],
        },
        Bad("schema-invalid", "data.title", put={"data.title": {"English": "HEQCO's definition"}}),
    ),
    Example(
        "reference.organisation-listed",
        "queens",
        "queens/mit",
        "2026-01-26T16:00:00Z",
        {
            "names": {"en": "Massachusetts Institute of Technology"},
            "jurisdictions": ["US"],
            "kind": "university",
            "answered_for_by": "queens",
            "url": "https://www.mit.edu/",
        },
        Bad(
            "body-duplicate-key",
            "body",
            text=lambda body: body.replace('"kind":', '"kind": "company",\n    "kind":'),
            by_schema=False,
        ),
    ),
    Example(
        "reference.delegation-published",
        "bcit",
        "bcit/delegation-bccat",
        "2026-01-26T17:00:00Z",
        {
            "delegate": "bccat",
            "subjects": ["construction", "drafting"],
            "valid_from": "2026-02-01",
            "valid_to": "2028-01-31",
        },
        Bad("schema-invalid", "data.valid_from", put={"data.valid_from": "2026-02-30"}),
    ),
)
