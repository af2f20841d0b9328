"""What is said about transfer cases to people, in English and in French."""

from __future__ import annotations

from typing import Final

Pair = tuple[str, str]

CHANGES: Final[dict[str, Pair]] = {
    "revoked": (
        "The credential was revoked: credit that rests on it needs your answer.",
        "Le titre a été révoqué : le crédit qui s'y appuie demande votre réponse.",
    ),
    "suspended": (
        "The credential is out of force until it is reinstated or revoked.",
        "Le titre est suspendu jusqu'à son rétablissement ou sa révocation.",
    ),
    "reinstated": ("The credential is in force again.", "Le titre est de nouveau en vigueur."),
    "amended": (
        "Facts of the credential were corrected: see whether the decision stands.",
        "Des faits du titre ont été corrigés : voyez si la décision tient.",
    ),
    "erased": (
        "The credential's details were erased; what was decided stands.",
        "Les détails du titre ont été effacés ; ce qui a été décidé demeure.",
    ),
    "ended": (
        "The rule ended. What was completed inside its dates still counts; decisions made stand.",
        "La règle a pris fin. Ce qui a été achevé dans ses dates compte toujours ; les décisions rendues demeurent.",
    ),
    "revised": (
        "The rule was revised. Decisions made under the earlier version stand.",
        "La règle a été révisée. Les décisions rendues selon la version antérieure demeurent.",
    ),
    "achievement-revised": (
        "The achievement has a new version. Credentials name the version that they were earned under.",
        "La réalisation a une nouvelle version. Les titres nomment la version selon laquelle ils ont été obtenus.",
    ),
    "achievement-retired": (
        "The achievement is no longer offered. Awards made stay valid.",
        "La réalisation n'est plus offerte. Les titres décernés restent valides.",
    ),
    "policy-published": (
        "The policy has a new version. Decisions made under the earlier version stand.",
        "La politique a une nouvelle version. Les décisions rendues selon la version antérieure demeurent.",
    ),
    "": ("Something that this rests on has changed.", "Quelque chose sur quoi ceci s'appuie a changé."),
}
"""What an event means for what rests on its subject."""

AT_THE_SENDER: Final[dict[str, Pair]] = {
    "revoked": (
        "The credential was revoked. The receiving institution answers: credit adjusted, or kept with a reason.",
        "Le titre a été révoqué. L'établissement d'accueil répond : crédit modifié, ou maintenu avec un motif.",
    ),
    "amended": (
        "Facts of the credential were corrected. The receiving institution says whether its decision stands.",
        "Des faits du titre ont été corrigés. L'établissement d'accueil dit si sa décision tient.",
    ),
}
"""What it means to the sender of a case, where another answers."""

PERMITTED: Final[dict[str, Pair]] = {
    "home": (
        "Letters of permission that rest on it are honoured as granted; before the term they may be amended.",
        (
            "Les lettres de permission qui s'y appuient sont respectées telles qu'accordées ; avant la session, elles"
            " peuvent être modifiées."
        ),
    ),
    "host": (
        "Learners study with you under a letter of permission that rests on it; their institution honours it.",
        (
            "Des personnes étudient chez vous selon une lettre de permission qui s'y appuie ; leur établissement la"
            " respecte."
        ),
    ),
}
"""What it means to home and host of a letter of permission."""

DEADLINES: Final[dict[str, Pair]] = {
    "overdue": ("The decision is overdue.", "La décision est en retard."),
    "due-soon": ("The decision is due soon.", "La décision est attendue bientôt."),
    "appeal-ends": ("The time for an appeal ends.", "Le délai d'appel prend fin."),
}

STATUS: Final[dict[str, Pair]] = {
    "credited": ("Credit granted", "Crédit accordé"),
    "no-credit": ("No credit", "Aucun crédit"),
    "pending": ("Decision pending", "Décision en attente"),
    "conditional": ("Credit granted conditionally", "Crédit accordé sous condition"),
    "removed": ("Credit removed", "Crédit retiré"),
}
NO_CREDIT: Final[dict[str, Pair]] = {
    "level": ("the level differs", "le niveau diffère"),
    "content": ("the content differs", "le contenu diffère"),
    "hours": ("the hours or credits differ", "le nombre d'heures ou de crédits diffère"),
    "assessment": ("the assessment differs", "l'évaluation diffère"),
    "duplicate": ("it is counted already", "c'est déjà compté"),
    "upper-year": ("upper-year courses are taken here", "les cours de dernière année se suivent ici"),
    "not-recognised": ("it is not recognised here", "ce n'est pas reconnu ici"),
    "other": ("another reason", "un autre motif"),
}
WAITS: Final[dict[str, Pair]] = {
    "final-grade": ("waits for the final grade", "en attente de la note finale"),
    "admission": ("waits for admission", "en attente de l'admission"),
    "enrolment": ("waits for enrolment", "en attente de l'inscription"),
    "department": ("waits for a department", "en attente d'un département"),
}
OUTCOMES: Final[dict[str, Pair]] = {
    "assigned": ("assigned credit", "crédit assigné"),
    "unassigned": ("unassigned credit", "crédit non assigné"),
    "block": ("block credit", "crédit en bloc"),
    "exemption": ("exemption without credit", "exemption sans crédit"),
    "admission": ("basis of admission", "base d'admission"),
    "standing": ("professional standing", "reconnaissance professionnelle"),
    "no-credit": ("no credit", "aucun crédit"),
    "choice": ("one of these", "au choix"),
    "sum": ("all of these", "tous ceux-ci"),
}
LETTER: Final[dict[str, Pair]] = {
    "title": ("Transfer credit decision", "Décision de transfert de crédits"),
    "case": ("Case", "Dossier"),
    "date": ("Date", "Date"),
    "from": ("Sending institution", "Établissement d'origine"),
    "to": ("Receiving institution", "Établissement d'accueil"),
    "learner": ("Learner", "Personne apprenante"),
    "programme": ("Programme", "Programme"),
    "line": ("Line", "Ligne"),
    "earned": ("What was earned", "Ce qui a été obtenu"),
    "decision": ("Decision", "Décision"),
    "basis": ("Basis and reason", "Fondement et motif"),
    "rule": ("rule", "règle"),
    "entry": ("entry", "entrée"),
    "individual": ("individual assessment", "évaluation individuelle"),
    "reason": ("Reason", "Motif"),
    "appeal-until": ("You may appeal until {date}.", "Vous pouvez faire appel jusqu'au {date}."),
    "appeal-open": (
        "You may appeal; ask the institution how, and until when.",
        "Vous pouvez faire appel ; demandez à l'établissement comment, et jusqu'à quand.",
    ),
    "final": (
        "This decision is final: the last level of appeal has decided.",
        "Cette décision est finale : le dernier niveau d'appel a statué.",
    ),
    "admission-note": (
        "Credit is subject to admission.",
        "Les crédits sont accordés sous réserve de l'admission.",
    ),
    "no-grade": (
        "Transfer credit is recorded without a grade.",
        "Le crédit transféré est inscrit sans note.",
    ),
}


def pick(texts: dict[str, Pair], name: str, language: str) -> str:
    """A text in a language; the code itself where there is none."""
    found = texts.get(name)
    return name if found is None else found[1 if language == "fr" else 0]
