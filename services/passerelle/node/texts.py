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
    "value": ("the cell looks like", "la cellule ressemble à"),
    "before": ("before", "avant"),
    "after": ("after", "après"),
    "would-publish": ("What it publishes:", "Ce qui est publié :"),
    "changes": (
        "Changed, column by column (first {count}):",
        "Modifié, colonne par colonne ({count} premières) :",
    ),
    "missing": (
        "{count} of {known} known {kind} are not in the file ({percent} %). Nothing is revoked: is that meant?",
        "{count} des {known} {kind} connus sont absents du fichier ({percent} %). Rien n'est révoqué : est-ce voulu ?",
    ),
    "mapped": ("Read through the mapping {mapping}.", "Lu selon la correspondance {mapping}."),
    "held-until": (
        "Nothing is numbered or sent before the undo window ends. To take it back: passerelle node drafts cancel {run}",
        "Rien n'est numéroté ni envoyé avant la fin du délai. Pour annuler : passerelle node drafts cancel {run}",
    ),
    "drafts-cancelled": ("{count} drafts were cancelled.", "{count} brouillons ont été annulés."),
    "drafts-released": ("{count} drafts were released.", "{count} brouillons ont été émis."),
    "map-kind": ("Kind: {kind}. Mapping: {mapping}.", "Genre : {kind}. Correspondance : {mapping}."),
    "map-missing": ("Needed, and not found: {columns}.", "Requis et non trouvés : {columns}."),
    "map-unused": ("Not used: {columns}.", "Non utilisées : {columns}."),
    "map-sample": ("What the first rows would say:", "Ce que diraient les premières lignes :"),
    "map-saved": (
        "Saved: {path}. Read it, correct it, then: passerelle node import FILE --mapping {mapping} --dry-run",
        "Enregistré : {path}. À relire, à corriger, puis : passerelle node import FILE --mapping {mapping} --dry-run",
    ),
    "watched": (
        "Watched: {folder}: {waiting} files wait, {taking} are being taken, {failed} failed.",
        "Surveillé : {folder} : {waiting} fichiers en attente, {taking} en cours, {failed} en échec.",
    ),
    "watched-unreadable": (
        "Watched: {folder} cannot be read: check that it is there, and its permissions.",
        "Surveillé : {folder} ne peut être lu : vérifier qu'il existe, et ses droits d'accès.",
    ),
    "pushes-waiting": ("{count} pushed files wait.", "{count} fichiers poussés attendent."),
    "file": ("file", "fichier"),
    "state": ("state", "état"),
    "job-waiting": ("waiting", "en attente"),
    "job-running": ("being taken", "en cours"),
    "job-done": ("taken", "pris"),
    "job-failed": ("failed", "échec"),
    "erased": (
        "The key of learner {learner} is destroyed, on the ground {ground}. Nothing brings their details back.",
        "La clé de l'apprenant {learner} est détruite, motif {ground}. Rien ne fera revenir ses renseignements.",
    ),
    "would-erase": (
        "Dry run: the key of learner {learner} would be destroyed, on the ground {ground}.",
        "Essai à blanc : la clé de l'apprenant {learner} serait détruite, motif {ground}.",
    ),
    "erased-counts": (
        "Events credential.erased: {events}. Never sent, and taken back: {taken}. Course results: {results}.",
        "Événements credential.erased : {events}. Jamais envoyés et retirés : {taken}. Résultats de cours : {results}.",
    ),
    "our-column": ("our column", "notre colonne"),
    "from": ("from", "provenance"),
    "found-by": ("found by", "trouvé par"),
    "looks-like": ("looks like", "ressemble à"),
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
