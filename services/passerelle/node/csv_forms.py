"""The columns of every CSV file that ``passerelle node import`` reads. docs/csv.md shows these tables.

A column with a ``path`` lands at that place of the event's data; the others are the office's own (record ids) or the
learner's, which never leave the node.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, get_args

from passerelle.events.achievement import AchievementKind, DeliveryMode
from passerelle.events.recognition import RecognitionKind
from passerelle.events.values import AssessmentMethod, NoCreditReason
from passerelle.node import csv_cells as c
from passerelle.node.csv_cells import Cell
from passerelle.node.csv_expressions import EXPRESSION

NO_CREDIT: Final = "no-credit"
STEPS: Final = ("amended", "suspended", "reinstated", "revoked")
RESULT_STATUS: Final = (
    "in-progress", "final", "amended", "failed", "withdrawn", "incomplete", "deferred", "aegrotat", "audit",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``personal`` values are encrypted in the node and never leave it."""

    name: str
    cell: Cell
    text: str
    path: str = ""
    required: bool = False
    personal: bool = False

    @property
    def is_prefix(self) -> bool:
        """Whether the column stands for one column a language: ``title_en``, ``title_fr``."""
        return self.name.endswith("_*")


@dataclass(frozen=True)
class Form:
    """One kind of file: ``record`` is the column that holds the office's own id of the row."""

    kind: str
    text: str
    record: str
    columns: tuple[Column, ...]

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns with a fixed name."""
        return {column.name: column for column in self.columns if not column.is_prefix}

    @cached_property
    def prefixes(self) -> dict[str, Column]:
        """The columns of which there may be one a language, by the text before the language."""
        return {column.name[:-1]: column for column in self.columns if column.is_prefix}

    @cached_property
    def by_path(self) -> dict[str, str]:
        """Column names by their place in the event's data."""
        return {column.path: column.name for column in self.columns if column.path}

    def find(self, name: str) -> Column | None:
        """The column of a header cell, None where the file kind has no such column."""
        found = self.by_name.get(name)
        if found is not None:
            return found
        for prefix, column in self.prefixes.items():
            language = name.removeprefix(prefix)
            if language != name and _is_language(language):
                return replace(column, name=name, path=f"{column.path}.{language}")
        return None


def _is_language(tag: str) -> bool:
    try:
        c.LANGUAGE.parse(tag, "")
    except c.CellError:
        return False
    return True


def _flags(prefix: str, rows: Iterable[tuple[str, str]]) -> tuple[Column, ...]:
    return tuple(Column(name, c.FLAG, text, f"{prefix}.{name}") for name, text in rows)


_ENDORSEMENT: Final = (
    "co-designed", "advisory", "demand-confirmed", "assessment-reflects-job", "sufficient-for-employment",
)  # fmt: skip
_METHODS: Final = c.list_of(c.choice(*get_args(AssessmentMethod)), 8)
_ASSESSOR: Final = c.choice("instructor", "employer", "independent")
_BASIS: Final = c.choice("completed", "challenge", "plar", "transfer")
_SAMPLE: Final = Column("sample", c.FLAG, "Marks invented data, so that nobody takes it for a fact.", "sample")

_LEARNER: Final = (
    Column(
        "learner_student_number",
        c.text(60),
        "The office's number of the learner: one learner a number.",
        required=True,
        personal=True,
    ),
    Column("learner_name", c.PERSON_NAME, "Full name as the office holds it.", required=True, personal=True),
    Column("learner_birth_date", c.BIRTH_DATE, "Date of birth.", required=True, personal=True),
    Column("learner_email", c.EMAIL, "E-mail address.", personal=True),
)

_OUTCOME: Final = (
    Column(
        "outcome_type",
        c.choice("assigned", "unassigned", "block", "exemption", "admission", "standing"),
        "What the sending side counts for.",
        "outcome.type",
    ),
    Column("outcome_course", c.REFERENCE, "assigned, exemption: the receiver's course.", "outcome.achievement"),
    Column("outcome_programme", c.REFERENCE, "block, admission: the receiver's programme.", "outcome.programme"),
    Column("outcome_credits", c.CREDIT, "assigned, unassigned, block: the credit given.", "outcome.credits"),
    Column("outcome_subject", c.code(), "unassigned: the subject.", "outcome.subject"),
    Column("outcome_level", c.code(), "unassigned: the level, for example `100`.", "outcome.level"),
    Column("outcome_entry_year", c.whole(1, 8), "block: year of entry, where no credits.", "outcome.entry_year"),
    Column("outcome_profession", c.text(), "standing: the profession or occupation.", "outcome.profession"),
    Column("outcome_note", c.text(), "admission, standing: a remark.", "outcome.note"),
    Column("outcome_attributes", c.list_of(c.code(), 16), "What the credit satisfies.", "outcome.attributes"),
    Column("outcome_applicability", c.choice("any", "major", "elective"), "Where it applies.", "outcome.applicability"),
    Column("outcome_exclusions", c.list_of(c.REFERENCE), "No credit together with these.", "outcome.exclusions"),
    Column("outcome_conditions", c.list_of(c.CONDITION, 8), "Minimum grade for each use.", "outcome.conditions"),
    Column("outcome_json", c.JSON, "A choice or sum of outcomes: instead of the columns above.", "outcome"),
)


def _assessment(required: bool) -> tuple[Column, ...]:
    return (
        Column("assessed_on", c.DATE, "Date of the learner's assessment.", "assessment.assessed_on", required),
        Column("assessment_methods", _METHODS, "How the learner was assessed.", "assessment.methods", required),
        Column("assessor", _ASSESSOR, "Who assessed.", "assessment.assessor", required),
        Column("assessment_provider", c.text(), "Organisation that assessed; never a person.", "assessment.provider"),
        Column("rubric_url", c.URL, "Address of the rubric.", "assessment.rubric.url"),
        Column("rubric_sha256", c.SHA256, "Hash of the rubric.", "assessment.rubric.sha256"),
        Column("identity_checked", c.FLAG, "The learner's identity was checked.", "assessment.identity_checked"),
        Column("evidence", c.list_of(c.DOCUMENT, 32), "Evidence, by hash.", "assessment.evidence"),
    )


ACHIEVEMENTS: Final = Form(
    "achievements",
    "What can be earned: courses, programmes, micro-credentials. A changed row publishes the next version.",
    "id",
    (
        Column("id", c.OWN_ID, "Your id of it, for ever.", required=True),
        Column("kind", c.choice(*get_args(AchievementKind)), "What it is.", "kind", True),
        Column("title", c.text(), "Official title, in the language of award.", "title", True),
        Column("language", c.LANGUAGE, "Language of award.", "language", True),
        Column("credit_bearing", c.FLAG, "Whether it carries credit.", "credit_bearing", True),
        Column("code", c.code(), "Course or programme code.", "code"),
        Column("title_*", c.text(), "Translation of the title: `title_en`, `title_fr`.", "translations"),
        Column("description", c.text(4000), "Description.", "description"),
        Column("awarding_bodies", c.list_of(c.BODY), "Who confers it; default: you.", "awarding_bodies"),
        Column("award", c.choice("single", "joint", "dual", "collaborative"), "How they confer it.", "award"),
        Column("partners", c.list_of(c.BODY), "Partners.", "partners"),
        Column("components", EXPRESSION, "What it is made of.", "components"),
        Column("credits", c.list_of(c.CREDIT, 4), "Credit value, in one or several systems.", "credits"),
        Column("level", c.LEVEL, "Level in a qualifications framework.", "level"),
        Column("laddering", c.choice("designed", "open", "stand-alone"), "How it leads on.", "laddering.design"),
        Column("ladders_into", c.list_of(c.REFERENCE), "designed: into what.", "laddering.into"),
        Column("laddering_level", c.LEVEL, "At which level.", "laddering.level"),
        Column("alignments", c.list_of(c.ALIGNMENT), "Skills and competencies of frameworks.", "alignments"),
        Column("occupations", c.list_of(c.NOC, 16), "Occupations, an indication.", "occupations"),
        Column("outcomes", c.list_of(c.text()), "Learning outcomes.", "outcomes"),
        Column("outline_url", c.URL, "Address of the course outline.", "outline.url"),
        Column("outline_sha256", c.SHA256, "Hash of the outline.", "outline.sha256"),
        Column("assessment_methods", _METHODS, "How it is assessed.", "assessment.methods"),
        Column(
            "assessment_setting",
            c.choice("workplace", "simulated", "classroom", "online"),
            "Where it is assessed.",
            "assessment.setting",
        ),
        Column(
            "assessment_performance",
            c.choice("direct", "knowledge-only"),
            "Whether performance is seen or knowledge tested.",
            "assessment.performance",
        ),
        Column("pass_standard", c.text(), "Stated pass standard.", "assessment.pass_standard"),
        Column("attempts", c.whole(1, 99), "Attempts allowed.", "assessment.attempts"),
        Column("assessor", _ASSESSOR, "Who assesses.", "assessment.assessor"),
        *_flags(
            "assessment",
            (
                ("task_analysis", "It rests on an analysis of the job's tasks."),
                ("pre_test", "There is a test before."),
                ("post_test", "There is a test after."),
                ("assessor_qualified", "The assessor is qualified."),
                ("identity_checked", "Identity is checked."),
                ("records_kept", "Records are kept."),
                ("appeal", "There is an appeal."),
                ("accommodation", "There is accommodation."),
                ("evidence_visible_to_employers", "Employers can see the evidence."),
                ("validated_common_examination", "A common, validated examination."),
            ),
        ),
        Column("delivery_modes", c.list_of(c.choice(*get_args(DeliveryMode)), 5), "How it is given.", "delivery.modes"),
        Column("intake", c.choice("on-demand", "weekly", "dates"), "When one can start.", "delivery.intake"),
        Column("effort_hours", c.QUANTITY, "Hours of effort.", "delivery.effort_hours"),
        Column("elapsed_weeks", c.QUANTITY, "Weeks from start to end.", "delivery.elapsed_weeks"),
        Column("delivery_languages", c.list_of(c.LANGUAGE, 8), "Languages of delivery.", "delivery.languages"),
        Column("cost_cad", c.QUANTITY, "Cost in Canadian dollars.", "cost.amount_cad"),
        Column("mandatory_fees_cad", c.QUANTITY, "Mandatory fees, apart.", "cost.mandatory_fees_cad"),
        Column("student_aid_eligible", c.FLAG, "Student aid may be had.", "cost.student_aid_eligible"),
        Column("approval_body", c.text(), "Who approved it.", "quality.approval_body"),
        Column("last_review", c.DATE, "Last review.", "quality.last_review"),
        Column("next_review", c.DATE, "Next review.", "quality.next_review"),
        Column("transcriptable", c.FLAG, "It can stand on a transcript.", "transcriptable"),
        Column("validity_months", c.whole(1, 600), "Months an award stays valid.", "validity_months"),
        Column("renewal", c.text(), "How it is renewed.", "renewal"),
        Column("legal_basis", c.choice("red-seal"), "A ground in law.", "legal_basis"),
        _SAMPLE,
    ),
)

RECOGNITIONS: Final = Form(
    "recognitions",
    "What counts for what at the receiver, and what was evaluated without credit. A changed row revises the rule.",
    "id",
    (
        Column("id", c.OWN_ID, "Your id of the rule, for ever.", required=True),
        Column(
            "kind",
            c.choice(*get_args(RecognitionKind), NO_CREDIT),
            "Kind of rule; `no-credit`: evaluated, and no credit is given.",
            "kind",
            True,
        ),
        Column("sending", EXPRESSION, "What is sent.", "sending", True),
        Column("valid_from", c.DATE, "Completed on or after this date.", "valid_from", True),
        Column("valid_to", c.DATE, "Last completion date that counts.", "valid_to"),
        Column("receiver", c.MEMBER, "Who receives; default: you.", "receiver"),
        Column("delegation", c.REFERENCE, "An agency: the receiver's delegation to you.", "delegation"),
        *_OUTCOME,
        Column("no_credit_reason", c.choice(*get_args(NoCreditReason)), "no-credit: why.", "reason"),
        Column("jurisdictions", c.list_of(c.JURISDICTION, 14), "Where it holds.", "jurisdictions"),
        Column("supersedes", c.REFERENCE, "The older rule.", "supersedes.recognition"),
        Column(
            "supersession",
            c.choice("replaces-all", "replaces-from", "in-addition"),
            "How it stands to the older rule.",
            "supersedes.mode",
        ),
        Column("supersedes_from", c.DATE, "replaces-from: from when.", "supersedes.from_date"),
        Column("request", c.REFERENCE, "The articulation request that it answers.", "request"),
        Column("note", c.text(4000), "A remark.", "note"),
        Column("source", c.text(), "Where the rule is published.", "source"),
        _SAMPLE,
    ),
)

_RESULT: Final = (
    Column("result_scheme", c.code(), "Grading scheme of the result, for example `percentage-50`.", "result.scheme"),
    Column("result_grade", c.code(), "The grade in it.", "result.grade"),
    Column("credits", c.CREDIT, "Credit earned.", "credits"),
)

CREDENTIALS: Final = Form(
    "credentials",
    "Awards conferred on learners. The learner's columns are encrypted in the node and never leave it. A changed row "
    "publishes an amendment.",
    "record_id",
    (
        Column("record_id", c.text(120), "Your office's id of the award, for ever.", required=True),
        Column("achievement", c.REFERENCE, "What was earned.", "achievement", True),
        Column("conferred_on", c.DATE, "Date of conferral.", "conferred_on", True),
        *_LEARNER,
        Column("achievement_version", c.whole(1, 1_000_000), "Version; default: the latest.", "achievement_version"),
        Column("basis", _BASIS, "How it was earned; default: completed.", "basis"),
        *_RESULT,
        Column("registration", c.MEMBER, "Institution of registration; default: you.", "registration"),
        Column("awarding_bodies", c.list_of(c.BODY, 16), "Who confers it; default: you.", "awarding_bodies"),
        Column("verified_by", c.MEMBER, "Who vouches for a listed organisation's award.", "verified_by"),
        Column("components", c.list_of(c.UUID), "A stack: the credentials it is made of.", "components"),
        Column("releases", c.list_of(c.UUID, 16), "A stack: the releases that cover them.", "releases"),
        Column("expires_on", c.DATE, "End of validity.", "expires_on"),
        *_assessment(required=False),
    ),
)

ASSESSMENTS: Final = Form(
    "assessments",
    "Assessment without the course (PLAR, in Quebec RAC; workplace): the outcome for one learner and, where "
    "`conferred_on` is given, the credential issued on it.",
    "record_id",
    (
        Column("record_id", c.text(120), "Your office's id of the assessment, for ever.", required=True),
        Column("achievement", c.REFERENCE, "What the learner was assessed for.", required=True),
        *_assessment(required=True),
        *_LEARNER,
        *_OUTCOME,
        Column("parties", c.list_of(c.MEMBER, 8), "Other members that may read the outcome.", "parties"),
        Column("conferred_on", c.DATE, "Issue a credential on it, conferred on this date."),
        Column("achievement_version", c.whole(1, 1_000_000), "The credential's version; default: the latest."),
        Column("credits", c.CREDIT, "The credential's credit."),
    ),
)

AMENDMENTS: Final = Form(
    "amendments",
    "Corrections of credentials already imported: one step a row. Cells left empty stay as they are.",
    "record_id",
    (
        Column("record_id", c.text(120), "Your office's id of the award.", required=True),
        Column("step", c.choice(*STEPS), "What happens to it.", required=True),
        Column("amendment_id", c.text(120), "Your id of this change, if one step comes twice for an award."),
        Column(
            "reason",
            c.code(),
            "amended: `clerical-error`, `grade-change`, `title-change`, `date-change`, `other`; suspended: "
            "`investigation`, `fees`, `administrative`, `other`; revoked: `issued-in-error`, `academic-misconduct`, "
            "`fraud`, `superseded`, `other`.",
            "reason",
        ),
        Column("note", c.text(), "A remark; never about the person.", "note"),
        Column("effective_on", c.DATE, "revoked: from when.", "effective_on"),
        *_RESULT,
        Column("conferred_on", c.DATE, "The right date of conferral.", "conferred_on"),
        Column("achievement_version", c.whole(1, 1_000_000), "The right version.", "achievement_version"),
        Column("expires_on", c.DATE, "The right end of validity.", "expires_on"),
    ),
)

RESULTS: Final = Form(
    "results",
    "Course results. They stay in the node, encrypted, and leave only in a release file.",
    "record_id",
    (
        Column("record_id", c.text(120), "Your office's id of the result, for ever.", required=True),
        Column("course", c.REFERENCE, "The course.", "course", True),
        Column("status", c.choice(*RESULT_STATUS), "Where it stands.", "status", True),
        *_LEARNER,
        Column("course_version", c.whole(1, 1_000_000), "Version of the course; default: 1.", "course_version"),
        Column("term", c.text(60), "Term.", "term"),
        Column("started_on", c.DATE, "First day.", "started_on"),
        Column("completed_on", c.DATE, "Day of completion.", "completed_on"),
        Column("grade_scheme", c.code(), "Grading scheme.", "grade.scheme"),
        Column("grade", c.code(), "The grade in it.", "grade.grade"),
        Column("credits_attempted", c.CREDIT, "Credit attempted.", "credits_attempted"),
        Column("credits_earned", c.CREDIT, "Credit earned.", "credits_earned"),
        Column("basis", _BASIS, "How it was earned; default: completed.", "basis"),
        Column("repeat_counted", c.FLAG, "A repeat that counts.", "repeat_counted"),
    ),
)

ORGANISATIONS: Final = Form(
    "organisations",
    "Organisations that are not members and that you answer for. A changed row lists them anew.",
    "id",
    (
        Column("id", c.OWN_ID, "Your id of it, for ever.", required=True),
        Column("name_*", c.text(), "Name in a language: `name_en`, `name_fr`; at least one.", "names"),
        Column("jurisdictions", c.list_of(c.JURISDICTION, 14), "Where it is.", "jurisdictions", True),
        Column(
            "kind",
            c.choice("university", "college", "company", "association", "government", "other"),
            "What it is.",
            "kind",
            True,
        ),
        Column("url", c.URL, "Its address.", "url"),
    ),
)

FRAMEWORKS: Final = Form(
    "frameworks",
    "Frameworks that you publish. A changed row publishes the next version.",
    "id",
    (
        Column("id", c.OWN_ID, "Your id of it, for ever.", required=True),
        Column("title", c.text(), "Title.", "title", True),
        Column("language", c.LANGUAGE, "Its language.", "language", True),
        Column("kind", c.choice("competency", "occupation", "qualifications"), "What it is.", "kind", True),
        Column("owner", c.text(), "Whose it is.", "owner", True),
        Column("recognised", c.FLAG, "Employers or a profession recognise it.", "recognised", True),
        Column("title_*", c.text(), "Translation of the title.", "translations"),
        Column("url", c.URL, "Its address.", "url"),
        Column("terms", c.list_of(c.TERM, 500), "Its entries.", "terms"),
        Column("references", c.list_of(c.LEVEL_REFERENCE, 200), "Its levels beside those of others.", "references"),
        Column("source", c.text(), "Where the entries were taken from, and of which date.", "source"),
    ),
)

ENDORSEMENTS: Final = Form(
    "endorsements",
    "Your endorsements of others' achievements. A changed row endorses anew.",
    "id",
    (
        Column("id", c.text(120), "Your office's id of the endorsement, for ever.", required=True),
        Column("achievement", c.REFERENCE, "What you endorse.", required=True),
        Column("version", c.whole(1, 1_000_000), "Its version; default: 1.", "version"),
        Column(
            "kinds",
            c.list_of(c.choice(*_ENDORSEMENT), 5),
            "What you state.",
            "kinds",
            True,
        ),
        Column(
            "capacity",
            c.choice("employer", "body-for-employers", "regulator", "quality-agency", "other"),
            "As what you speak.",
            "capacity",
            True,
        ),
        Column("jurisdictions", c.list_of(c.JURISDICTION, 14), "Where you speak for.", "jurisdictions", True),
        Column("statement", c.text(4000), "Your statement.", "statement"),
        Column("valid_until", c.DATE, "Until when it holds.", "valid_until"),
    ),
)

DEMANDS: Final = Form(
    "demands",
    "Demand for a skill or an occupation in a region. A changed row states it anew.",
    "id",
    (
        Column("id", c.OWN_ID, "Your id of the statement, for ever.", required=True),
        Column("region", c.JURISDICTION, "Where.", "region", True),
        Column("size", c.whole(10, 10_000_000), "How many, at least 10.", "size", True),
        Column("source", c.text(), "Where the figure is from.", "source", True),
        Column("stated_on", c.DATE, "As of when.", "stated_on", True),
        Column("achievement", c.REFERENCE, "The achievement.", "achievement"),
        Column("occupation", c.NOC, "The occupation.", "occupation"),
        Column("skill", c.text(), "The skill.", "skill"),
        Column("valid_until", c.DATE, "Until when it holds.", "valid_until"),
    ),
)

FORMS: Final[dict[str, Form]] = {
    form.kind: form
    for form in (
        ACHIEVEMENTS,
        RECOGNITIONS,
        CREDENTIALS,
        ASSESSMENTS,
        AMENDMENTS,
        RESULTS,
        ORGANISATIONS,
        FRAMEWORKS,
        ENDORSEMENTS,
        DEMANDS,
    )
}
"""By kind, as ``--kind`` names it."""


def detect(header: Iterable[str]) -> str | None:
    """The kind whose required columns are all there and that knows every column; None where not exactly one fits."""
    names = list(header)
    fitting = [
        kind
        for kind, form in FORMS.items()
        if all(column.name in names for column in form.columns if column.required)
        and all(form.find(name) is not None for name in names)
    ]
    return fitting[0] if len(fitting) == 1 else None


def table(form: Form) -> str:
    """The form's columns as a Markdown table, for docs/csv.md."""
    lines = ["| column | needed | what it holds | form |", "|---|---|---|---|"]
    for column in form.columns:
        needed = "yes" if column.required else ""
        name = column.name.replace("_*", "_*language*")
        form_text = column.cell.form.replace("|", "\\|")
        lines.append(f"| {name} | {needed} | {column.text} | {form_text} |")
    return "\n".join(lines)
