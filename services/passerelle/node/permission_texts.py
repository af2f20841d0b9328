"""What is said about letters of permission to people, in English and in French.

In Quebec the letter is an autorisation d'études hors établissement (AEHE): the form by which universities let their
students take courses elsewhere (Bureau de coopération interuniversitaire).
"""

from __future__ import annotations

from typing import Final

from passerelle.node.case_texts import NO_CREDIT, Pair

TITLES: Final[dict[str, Pair]] = {
    "granted": ("Letter of permission", "Lettre de permission"),
    "refused": ("Permission to study elsewhere: refused", "Permission d'étudier ailleurs : refusée"),
    "granted-aehe": (
        "Authorization to study at another institution (AEHE)",
        "Autorisation d'études hors établissement (AEHE)",
    ),
    "refused-aehe": (
        "Authorization to study at another institution (AEHE): refused",
        "Autorisation d'études hors établissement (AEHE) : refusée",
    ),
}
REFUSALS: Final[dict[str, Pair]] = {
    **NO_CREDIT,
    "offered-here": ("the course is offered here in that term", "le cours est offert ici à cette session"),
    "residency": ("the share to be earned here would not be kept", "la part à obtenir ici ne serait pas respectée"),
    "standing": ("the rules on standing in the programme", "les règles sur la situation dans le programme"),
    "late": ("it was asked too late for the term", "la demande est arrivée trop tard pour la session"),
}
LETTER: Final[dict[str, Pair]] = {
    "date": ("Date", "Date"),
    "learner": ("Learner", "Personne étudiante"),
    "home": ("Home institution", "Établissement d'attache"),
    "host": ("Host institution", "Établissement d'accueil"),
    "programme": ("Programme", "Programme"),
    "term": ("Term", "Session"),
    "between": ("{starts} to {ends}", "du {starts} au {ends}"),
    "until": ("Honoured until", "Respectée jusqu'au"),
    "reference": ("Reference", "Référence"),
    "ledger": ("Ledger entry", "Entrée du registre"),
    "maximum": ("At most", "Au plus"),
    "courses": ("Courses", "Cours"),
    "line": ("Line", "Ligne"),
    "course": ("Course at the host institution", "Cours à l'établissement d'accueil"),
    "counts-as": ("Counts at home as", "Reconnu à l'établissement d'attache comme"),
    "basis": ("Basis and conditions", "Fondement et conditions"),
    "reason": ("Reason", "Motif"),
    "fix": ("What would make it permissible", "Ce qui la rendrait possible"),
    "rule": ("rule", "règle"),
    "entry": ("entry", "entrée"),
    "individual": ("individual assessment", "évaluation individuelle"),
    "minimum": ("minimum grade", "note minimale"),
    "rules-of": (
        "The rules are those of the ledger's first {position} entries{policies}.",
        "Les règles sont celles des {position} premières entrées du registre{policies}.",
    ),
    "policies": (", and the policies {names}", " et les politiques {names}"),
    "promise": (
        "What is taken within the term and meets these conditions counts as stated, also if a rule changes meanwhile.",
        (
            "Ce qui est suivi pendant la session et satisfait à ces conditions compte tel qu'indiqué, même si une règle"
            " change entre-temps."
        ),
    ),
    "return": (
        "After the course, have the host institution release its result to the home institution.",
        "Après le cours, demandez à l'établissement d'accueil de communiquer son résultat à l'établissement d'attache.",
    ),
    "verify": (
        "The host institution verifies this letter by its reference: the ledger gave it the signed permission.",
        (
            "L'établissement d'accueil vérifie cette lettre par sa référence : le registre lui a remis la permission"
            " signée."
        ),
    ),
    "enrolment": (
        "Admission, enrolment and fees at the host institution are the host institution's.",
        "L'admission, l'inscription et les droits relèvent de l'établissement d'accueil.",
    ),
}
