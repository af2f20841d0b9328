"""What the node's commands say, in English and in French."""

from __future__ import annotations

from typing import Final

_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "family": ("stream", "flux"),
    "accepted": ("accepted", "acceptés"),
    "waiting": ("waiting", "en attente"),
    "held": ("held back", "retenus"),
    "refused": ("refused", "refusés"),
    "lag": ("longest wait", "plus longue attente"),
    "nothing-waits": ("Everything sent was answered.", "Tout ce qui a été envoyé a reçu une réponse."),
    "some-wait": ("{count} events wait for an answer.", "{count} événements attendent une réponse."),
    "held-why": (
        "Held back until others publish what they name:",
        "Retenus jusqu'à la publication de ce qu'ils citent :",
    ),
    "problems": ("Problems", "Problèmes"),
    "relay-stopped": ("The relay stands still.", "L'envoi est arrêté."),
    "not-admitted": (
        "The registry does not show this member yet: nothing is sent before it does.",
        "Le registre ne montre pas encore ce membre : rien n'est envoyé avant.",
    ),
    "member-standing": (
        "The registry says that this member is {status}: nothing is sent.",
        "Selon le registre, ce membre est {status} : rien n'est envoyé.",
    ),
    "key-not-shown": (
        "The registry does not show this node's signing key: nothing is sent before it does.",
        "Le registre ne montre pas la clé de signature de ce nœud : rien n'est envoyé avant.",
    ),
    "status-suspended": ("suspended", "suspendu"),
    "status-removed": ("removed", "retiré"),
    "rows": ("rows", "lignes"),
    "new": ("new", "nouvelles"),
    "changed": ("changed", "modifiées"),
    "unchanged": ("unchanged", "inchangées"),
    "rows-refused": ("refused", "refusées"),
    "events": ("events", "événements"),
    "dry-run": ("Dry run: nothing was stored or sent.", "Essai à blanc : rien n'a été enregistré ni envoyé."),
    "imported": ("Imported", "Importé"),
    "would-import": ("Would import", "Serait importé"),
    "report": ("Every error, row by row: {path}", "Toutes les erreurs, ligne par ligne : {path}"),
    "times": ("times", "fois"),
    "row": ("row", "ligne"),
    "column": ("column", "colonne"),
    "what": ("what is wrong", "ce qui ne va pas"),
    "fix": ("what to do", "que faire"),
    "nothing-refused": ("Nothing was refused.", "Rien n'a été refusé."),
    "where": ("where", "où"),
    "checkpoint": ("Latest checkpoint seen: {size} entries.", "Dernier point de contrôle vu : {size} entrées."),
}


def say(name: str, language: str, **values: object) -> str:
    """The sentence in a language, English where it is not French."""
    english, french = _TEXTS[name]
    return (french if language == "fr" else english).format(**values)
