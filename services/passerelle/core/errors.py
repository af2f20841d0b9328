"""Typed errors and the one table of their codes.

Every error carries a stable kebab-case ``code``, ``what`` went wrong, ``where`` (a row, field, topic or file) and the
``fix``. The command line, HTTP (problem details, RFC 9457) and gRPC (rich status) show the same four. No error text
holds personal data: name the row, the field and the rule, never the value of a person.
"""

# The table below keeps one code a line, so that adding one is one line: its rows are long on purpose.
# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Column 2 of the table: (HTTP status, name of the gRPC status code).
_STATUS: Final[dict[str, tuple[int, str]]] = {
    "invalid": (400, "INVALID_ARGUMENT"),
    "range": (400, "OUT_OF_RANGE"),
    "login": (401, "UNAUTHENTICATED"),
    "forbidden": (403, "PERMISSION_DENIED"),
    "absent": (404, "NOT_FOUND"),
    "timeout": (504, "DEADLINE_EXCEEDED"),
    "exists": (409, "ALREADY_EXISTS"),
    "stale": (409, "ABORTED"),
    "state": (409, "FAILED_PRECONDITION"),
    "gone": (410, "NOT_FOUND"),
    "large": (413, "INVALID_ARGUMENT"),
    "media": (415, "INVALID_ARGUMENT"),
    "refused": (422, "FAILED_PRECONDITION"),
    "limit": (429, "RESOURCE_EXHAUSTED"),
    "internal": (500, "INTERNAL"),
    "loss": (500, "DATA_LOSS"),
    "away": (503, "UNAVAILABLE"),
    "cancelled": (499, "CANCELLED"),
}

# code | status | English title | French title | meaning | default fix
_TABLE: Final = """
# Not verified: operator's refused topic, no number spent
signature-invalid | invalid | Signature does not verify | Signature invalide | The signature does not verify under the named key over these bytes. | Sign the exact bytes again with a key that the registry shows for this member.
path-invalid | invalid | Batch path does not fit | Chemin de lot invalide | The batch path does not fit the batch's size and index. | Send the path made when the batch was signed, unchanged.
network-mismatch | invalid | Other network | Autre réseau | The statement names another network than this ledger's. | Set the network to the log's origin and sign again.
key-unknown | invalid | Key unknown | Clé inconnue | No member has a key with this id in the registry. | Wait until the registry shows the key, or sign with one that it shows.
key-not-valid | state | Key not valid here | Clé non valide ici | The key is the member's but not valid for signing at this ledger position. | Sign the same statements again with a key that is valid now.
key-of-other-member | forbidden | Key of another member | Clé d'un autre membre | The key belongs to another member than the statement names. | Sign with a key of the member that the statement names.
key-distrusted | state | Key distrusted | Clé désavouée | The key was declared stolen from this sequence on; the event is kept and marked. | Publish the event again under a new key.
key-malformed | invalid | Key malformed | Clé mal formée | A public key is not 32 bytes in lower-case hex or its id does not match it. | Give the raw Ed25519 public key as 64 hex digits and the id made from it.
key-duplicate | exists | Key already listed | Clé déjà inscrite | The key is already in the registry; a key is listed once and never comes back. | Make a new key.
key-file-unusable | invalid | Key file cannot be used | Fichier de clé inutilisable | The key file is missing, unreadable, open to others, or not a key. | Give a file of 64 hex digits that only its owner can read.
key-token-unavailable | away | Key token does not answer | Jeton de clé sans réponse | The token or device that holds the key encryption key does not answer. | Check the device, its service and its library, then try again.
body-hash-mismatch | invalid | Body is not the one signed | Corps différent de celui signé | The SHA-256 of the body is not the one in the statement. | Send the body's exact bytes, never serialised again.
kafka-key-mismatch | invalid | Record key is not the member | Clé d'enregistrement inattendue | The Kafka key is not the member id of the statement. | Produce with the member id as the record key.
topic-mismatch | invalid | Wrong topic | Mauvais sujet Kafka | The topic is not the one of the statement's family. | Produce to the topic of the family.
header-missing | invalid | Header missing | En-tête manquant | A required record header is absent. | Send all seven ingress headers.
header-duplicate | invalid | Header repeated | En-tête répété | A record header stands more than once. | Send each header once.
header-malformed | invalid | Header malformed | En-tête mal formé | A record header does not have its form. | Send the header in the form given in contracts/formats.md.
statement-malformed | invalid | Statement malformed | Énoncé mal formé | The statement is not the eight lines of its format. | Build it as contracts/formats.md says.
batch-malformed | invalid | Batch malformed | Lot mal formé | Size, index, path or lines of the batch do not have their form. | Build it as contracts/formats.md says.
entry-malformed | invalid | Entry malformed | Entrée mal formée | The entry is not the sixteen lines of its format. | Fetch the entry again and keep its bytes.
line-malformed | invalid | Line document malformed | Document de lignes mal formé | A line document is not ASCII lines that each end in LF. | Keep the bytes exactly as published.
member-id-malformed | invalid | Member id malformed | Identifiant de membre mal formé | The member id or its URN does not have its form. | Use a lower-case letter, then 1 to 39 letters, digits or hyphens.
network-malformed | invalid | Network name malformed | Nom de réseau mal formé | The network is not a log origin: ASCII, no space, no plus. | Use a name such as passerelle.example/log.
family-unknown | invalid | Family unknown | Famille inconnue | The family is none of credential, recognition, transfer, reference, member. | Use one of the five families.
# Order
sequence-conflict | stale | Stream taken another way | Conflit de séquence | The number is spent by another statement, or prev is not the stream's last statement. | Read the stream's head from the ledger, fetch the missing events back, then release again.
stream-forked | loss | Two stories of one stream | Deux versions d'un même flux | Node and ledger hold different statements, both signed with this member's key, at a number that was sent or answered. | See whether another copy of this node runs, or the key was stolen; docs/operating.md says what to do. Nothing is sent until then.
events-restored | state | Events came back | Événements récupérés | The node lacked events of its own and fetched them back from the ledger. | If this database was restored from a backup, import your files again; if not, somebody else signs with this key: have the operator end it.
sequence-gap | state | Earlier event missing | Événement antérieur manquant | The event waits for an earlier number of its stream. | Send the stream again from the number that the ledger names.
resend-from | state | Send again from here | Renvoyer à partir d'ici | The ledger dropped waiting events of this stream and names where to go on. | Relay the stream again from that number.
version-stale | stale | Version is not the latest | Version périmée | The change names another version than the latest one. | Read the latest version and decide again.
head-moved | stale | Head moved | Tête déplacée | Another writer moved the head between reading and writing. | Reload the head and decide again.
# Body
body-too-large | large | Body too large | Corps trop volumineux | The body is over 64 KiB. | Send documents node to node and put their hash in the event.
body-not-json | invalid | Body is not JSON | Corps non JSON | The body is not UTF-8 JSON. | Send the event as CloudEvents JSON in UTF-8.
body-too-deep | invalid | Body nested too deeply | Corps trop imbriqué | The JSON nests deeper than allowed. | Flatten the value.
body-duplicate-key | invalid | JSON name repeated | Nom JSON répété | A JSON object names a member twice. | Name it once.
body-withdrawn | gone | Body withdrawn | Corps retiré | The body was erased or withdrawn; its entry and proof stay. | Ask the issuer or the learner for the body.
body-absent | absent | Body not held | Corps non détenu | The body is not held here. | Ask its sender to send it again.
schema-invalid | invalid | Body does not fit its schema | Corps non conforme au schéma | A field is missing, of the wrong type or outside its range. | Correct the named field; the schema is in contracts/schemas.
field-missing | invalid | Field missing | Champ manquant | A required field is absent. | Give the field.
field-unknown | invalid | Field unknown | Champ inconnu | A field is not in the schema. | Remove the field or correct its name.
field-malformed | invalid | Field malformed | Champ mal formé | A field does not have its form. | Correct the field as its description says.
type-unknown | invalid | Event type unknown | Type d'événement inconnu | This ledger does not know the event type or its version. | Use a type listed in contracts/topics.
type-family-mismatch | invalid | Type is of another family | Type d'une autre famille | The event type is not of the statement's family. | Publish it in the stream of its own family.
visibility-mismatch | invalid | Wrong visibility | Visibilité inexacte | The statement's visibility is not the one fixed for this event type. | Use the visibility that the contract fixes.
source-mismatch | invalid | Source is not the signer | Source différente du signataire | The body's source is not the URN of the member that signed. | Set source to urn:passerelle:member:<id> of the signer.
subject-mismatch | invalid | Subject is not the thing | Sujet différent de l'objet | The body's subject is not the id that its data names. | Use the same id in both places.
event-id-malformed | invalid | Event id malformed | Identifiant d'événement mal formé | The event id is not a UUIDv7. | Give the event a UUIDv7.
time-ahead | invalid | Time in the future | Date dans le futur | The event's time is more than 24 hours after its acceptance. | Set the sender's clock right and publish again.
time-malformed | invalid | Time malformed | Instant mal formé | A time is not RFC 3339 with an offset. | Write it as 2026-01-31T12:00:00Z.
nonce-missing | invalid | Nonce missing | Nonce manquant | A party body must carry 32 random bytes so that its hash cannot be guessed. | Add the nonce attribute, base64url without padding.
nonce-unexpected | invalid | Nonce not expected | Nonce inattendu | A public body carries a nonce. | Leave the nonce out of public bodies.
nonce-malformed | invalid | Nonce malformed | Nonce mal formé | The nonce is not 32 bytes in base64url without padding. | Make 32 random bytes and encode them so.
personal-data | invalid | Personal data not allowed | Données personnelles non permises | A field that can identify a learner stands in an event. | Remove it: only credential ids travel on the network.
language-unknown | invalid | Language unknown | Langue inconnue | A language is not a BCP 47 tag. | Use a tag such as en, fr or iu.
jurisdiction-unknown | invalid | Jurisdiction unknown | Juridiction inconnue | A jurisdiction is not an ISO 3166 code. | Use CA-ON and the like, CA, or a country's code.
fraction-malformed | invalid | Fraction malformed | Fraction mal formée | A value is not an exact fraction of whole numbers. | Write it as 3, 1/2 or 8/3.
hash-malformed | invalid | Hash malformed | Empreinte mal formée | A hash is not 64 lower-case hex digits. | Write the SHA-256 in lower-case hex.
url-malformed | invalid | Address malformed | Adresse mal formée | A web address is not an absolute https URL. | Give the whole address, https first.
code-unknown | invalid | Code unknown | Code inconnu | A coded value is not in its list or framework. | Use a code of the named list.
uuid-malformed | invalid | UUID malformed | UUID mal formé | An id is not a UUID of the asked version. | Give a UUIDv7 in lower case with hyphens.
# Who may
role-missing | forbidden | Role missing | Rôle manquant | The member does not have the role that this event asks. | Ask the operator for the role.
member-unknown | absent | Member unknown | Membre inconnu | The registry has no such member. | Check the id against the registry topic.
member-exists | exists | Member already admitted | Membre déjà admis | The member was admitted before; admission happens once. | Use keys-changed or roles-changed.
member-suspended | forbidden | Member suspended | Membre suspendu | The member is suspended and may not publish. | Ask the operator.
member-removed | forbidden | Member removed | Membre retiré | The member left the federation and may not publish. | Ask the operator to admit a new member id.
operator-only | forbidden | Only the operator | Réservé à l'opérateur | Only the operator writes member events. | Ask the operator.
not-owner | forbidden | Not this member's to change | Acteur non autorisé | The signer is not the one that may do this to the subject. | Let its owner publish it.
not-awarding-body | forbidden | Not an awarding body | Pas un organisme certificateur | Only an awarding body of the credential may do this. | Let an awarding body publish it.
not-receiver | forbidden | Not the receiving member | Pas l'établissement d'accueil | Only the receiving member decides this. | Let the receiver publish it.
not-delegated | forbidden | No published delegation | Aucune délégation publiée | The signer acts for another without that member's published delegation. | Publish the delegation first.
not-a-party | forbidden | Not a party | Pas une partie | The caller is not a party of this body or case. | Call as a party; others see the entry and its proof only.
self-endorsement | refused | Own achievement endorsed | Auto-approbation | A member endorses its own achievement. | Let an independent body endorse it.
unauthenticated | login | No identity given | Identité absente | The call needs a member's identity. | Send a token signed with a registry key.
token-invalid | login | Token invalid | Jeton invalide | The token is malformed, signed by no registry key, or for another audience. | Make a token: EdDSA, iss member, aud network, exp at most 5 minutes away.
token-expired | login | Token expired | Jeton expiré | The token's time is over or reaches too far ahead. | Make a new token of at most 5 minutes.
# Lifecycles and references
subject-unknown | absent | Subject unknown | Objet inconnu | The thing that the event changes is not in the ledger. | Publish the thing first, and see that it was accepted.
subject-exists | exists | Subject exists already | Objet déjà existant | The id is already taken by a thing in the ledger. | Use a new id, or publish a change.
step-illegal | state | Step not allowed from this state | Étape non permise dans cet état | The lifecycle does not allow this step from the present state. | Read the present state and take a step that it allows.
state-final | state | State is final | État final | The thing is in a final state; nothing follows. | Publish a new thing.
reference-unknown | absent | Reference unknown | Référence inconnue | The event names a thing that is not in the ledger. | Publish or correct the reference, then publish the event again.
reference-invalid | refused | Reference not usable | Référence inutilisable | The thing named is in the ledger but of another kind or state than needed. | Name one of the right kind and state.
reference-pending | state | Reference not there yet | Référence pas encore présente | The event waits for a thing of another stream. | Wait; it is refused after the time-out.
achievement-retired | state | Achievement retired | Réalisation retirée | The achievement version is retired for new awards. | Issue under a version in force.
credit-counted-already | exists | Credit counted already | Crédit déjà compté | The credential already counts towards this programme of this receiver. | See the earlier entry; adjust that case instead.
recognition-absent | refused | No recognition named | Aucune reconnaissance citée | A decided line names neither a recognition nor an individual assessment. | Name the record that the line rests on.
dates-reversed | invalid | End before start | Fin avant le début | An end date lies before its start date. | Correct the dates.
effective-date-missing | invalid | Effective date missing | Date d'effet manquante | A record needs the date from which it holds. | Give the date.
count-too-small | refused | Group too small to publish | Groupe trop petit | An aggregate covers fewer than 10 people. | Publish only aggregates of 10 or more.
appeal-late | state | Appeal after its limit | Appel hors délai | The receiver's time limit for appeals is over. | Ask the receiver.
decision-final | state | Decision is final | Décision finale | The last level of appeal has decided. | Nothing further can be filed in this case.
joint-incomplete | state | Joint award not co-signed | Cosignature incomplète | Not every awarding body of the joint award has co-signed. | Let the missing bodies publish co-awarded.
cosigner-duplicate | exists | Signed already | Déjà cosigné | This awarding body has already signed. | Nothing to do.
release-invalid | refused | Release does not fit | Autorisation inadaptée | The release is for another receiver, or does not cover a credential. | Ask the learner and the issuer for a release that does.
release-unknown | absent | Release unknown | Autorisation inconnue | The release is not in the ledger. | Wait until the issuer's grant is accepted.
release-withdrawn | state | Release withdrawn | Autorisation retirée | The learner withdrew the release. | Ask the learner for a new one.
release-expired | state | Release expired | Autorisation expirée | The release ended before this use. | Ask the learner for a new one.
release-used | state | Release used already | Autorisation déjà utilisée | The release serves another case already. | Ask the learner for a new one.
stack-circular | refused | Circular stack | Empilement circulaire | A credential or achievement is a component of itself. | Remove the circle.
stack-unreleased | refused | Component not released | Composante non autorisée | A component of the stack is covered by no release named. | Name a release for each component.
component-not-active | state | Component not active | Composante inactive | A component is suspended, revoked or expired. | Use components in force.
learner-mismatch | refused | Learner not matched | Personne non appariée | The registrar did not match the person of the file. | Let a person confirm the match, or answer unmatched.
expression-invalid | invalid | Sending expression invalid | Expression d'envoi invalide | A rule's expression is empty, too deep, or asks more than it lists. | Correct the expression.
expression-too-large | limit | Sending expression too large | Expression trop grande | An expression has more leaves or depth than allowed. | Split the rule.
policy-invalid | invalid | Policy pack invalid | Politique invalide | A policy pack does not fit its form. | Correct the named clause.
policy-unknown | absent | Policy pack unknown | Politique inconnue | No such policy pack or version. | Use a published pack.
scale-unknown | absent | Grading scale unknown | Échelle de notation inconnue | No such grading scale or version. | Publish the scale first.
grade-unknown | invalid | Grade not in its scheme | Note hors de l'échelle | The grade is not a value of the scheme named. | Use a value of the scheme, or name the right scheme.
credit-system-unknown | invalid | Credit system unknown | Système de crédits inconnu | The credit system is not a known one. | Use one of the systems listed.
# Records and import
column-unknown | invalid | Column unknown | Colonne inconnue | A column is not in the mapping. | Map the column or remove it.
column-missing | invalid | Column missing | Colonne manquante | A required column is absent. | Add the column.
column-duplicate | invalid | Column repeated | Colonne répétée | A column's name stands twice. | Rename or remove one.
value-missing | invalid | Value missing | Valeur manquante | A required cell is empty. | Fill the cell.
value-not-allowed | invalid | Value not allowed | Valeur non permise | The cell's value is not one of those allowed. | Use one of the values listed.
value-too-long | invalid | Value too long | Valeur trop longue | The cell is longer than allowed. | Shorten it.
value-out-of-range | invalid | Value out of range | Valeur hors limites | The number or date is outside its range. | Correct it.
control-character | invalid | Control character | Caractère de contrôle | The text holds a control character. | Remove it.
date-impossible | invalid | Impossible date | Date impossible | The cell is not a date of the calendar. | Write it as YYYY-MM-DD.
date-future | invalid | Date in the future | Date dans le futur | The date lies in the future where that cannot be. | Correct the date.
number-malformed | invalid | Not a number | Nombre mal formé | The cell is not a number in the form expected. | Write digits, at most one decimal point.
boolean-malformed | invalid | Not yes or no | Ni oui ni non | The cell is neither yes nor no. | Write true or false.
encoding-invalid | invalid | Wrong encoding | Encodage invalide | The bytes are not valid in the file's encoding. | Save the file as UTF-8.
row-too-long | invalid | Row too long | Ligne trop longue | The row is over the size limit. | Split it or shorten its cells.
row-width | invalid | Wrong number of cells | Nombre de cellules inattendu | The row has more or fewer cells than the header. | Check quotes and separators on this row.
row-malformed | invalid | Row malformed | Ligne mal formée | The row cannot be read. | Check quotes and separators on this row.
quote-unclosed | invalid | Quote not closed | Guillemet non fermé | A quoted cell never ends. | Close the quote.
record-duplicate | exists | Record repeated | Enregistrement répété | The record id stands more than once in the file, with different content. | Keep one of them.
record-unknown | absent | Record unknown | Enregistrement inconnu | There is no record with this id. | Check the id.
record-changed | stale | Record changed since release | Enregistrement modifié depuis l'émission | A published record comes back with different content. | Publish an amendment.
record-renumbered | exists | Record under another id | Enregistrement sous un autre identifiant | A record of the same learner, achievement and date is known under another office id. | Restore the old record id in the file; or import with --renumbered same if the office renumbered it, --renumbered new if it is one more.
learner-erased | gone | Learner erased | Apprenant effacé | The learner of this record was erased; their details are gone for good. | Take the row out of the file; a new award of the same person needs a record id of its own.
retention-running | state | Under retention | Conservation en cours | A record of this learner must still be kept, by the period that the node is told. | Wait until the period is over, or state the legal ground on which it is erased earlier.
records-missing | state | Records missing | Enregistrements absents | A file that is said to be whole lacks more of the known records than allowed. | Look at them with --dry-run --full, then import again with --confirm, or without --full.
cell-unreadable | invalid | Cell cannot be read | Cellule illisible | A cell of a workbook holds an error, a formula without a value, or a number that is none. | Write the value into the cell.
cells-merged | invalid | Cells merged | Cellules fusionnées | Cells of the row are merged, so that it cannot be told whose value it is. | Unmerge the cells and fill each.
mapping-unknown | absent | Mapping unknown | Correspondance inconnue | There is no column mapping of this name. | Make it with passerelle node map FILE, or correct the name.
mapping-invalid | invalid | Mapping invalid | Correspondance invalide | The column mapping cannot be used. | Correct the named line of the mapping.
query-invalid | invalid | Query cannot be run | Requête inexécutable | The database does not take the query, or a column of it has no text that an import can read. | Correct the query; run it in the database's own client first.
query-not-readonly | forbidden | Query does more than read | Requête non limitée à la lecture | The query changes data, or is no SELECT. | Write one SELECT; the import never writes to the office's database.
query-key-missing | invalid | No column to page by | Colonne de pagination absente | The rows of a query are read page by page along a column of it, and there is none that serves. | Name with --key a column of the query of type text, integer, numeric or uuid, whose values are the record ids or nearly as distinct.
query-timeout | timeout | Query took too long | Requête trop longue | The office's database ended the query at its time limit. | Give it an index on the key column, or more time with --timeout.
source-unavailable | away | Office's database not reachable | Base de données de l'établissement injoignable | The database that the records are read from does not answer, or refuses the log-in. | Check the address, the password file and the network; then import again: it goes on where it was.
file-unreadable | invalid | File cannot be read | Fichier illisible | The file is missing or cannot be opened. | Check its path and permissions.
file-empty | invalid | File empty | Fichier vide | The file holds no record. | Export it again.
file-truncated | invalid | File cut short | Fichier tronqué | The file ends in the middle of a record. | Transfer it again.
file-too-large | large | File too large | Fichier trop volumineux | The file is over the size limit. | Split it.
file-hash-mismatch | invalid | File is not the one named | Fichier différent de celui cité | The file's hash is not the one in the event. | Get the file again from its sender.
format-cannot-say | invalid | Format cannot say it | Format incapable de le dire | The format has no form for a field of the agreement. | Export as csv, or tell the reader of the file in another way.
format-unknown | media | Format unknown | Format inconnu | The file is of no format that can be read here. | Use CSV, XLSX, PESC XML, ELMO or Open Badges 3.0.
xml-forbidden | invalid | XML construct forbidden | Construction XML interdite | The XML declares a document type or entities. | Remove the DOCTYPE.
xml-malformed | invalid | XML malformed | XML mal formé | The XML is not well formed. | Export it again.
xml-too-deep | invalid | XML nested too deeply | XML trop imbriqué | The XML nests deeper than any record does. | Export it again from the system that holds the records.
xml-schema | invalid | XML not valid by its schema | XML non conforme à son schéma | The document does not have the form that its published schema asks for. | Correct the named element, or ask the sender.
archive-bomb | large | Archive expands too much | Archive trop dense | The archive expands beyond its limit. | Save it again or split it.
too-many-errors | limit | Too many errors | Trop d'erreurs | Reading stopped after the limit of errors. | Correct those listed and run again.
import-nothing | invalid | Nothing to import | Rien à importer | No row of the file can be imported. | Correct the rows listed.
draft-unknown | absent | Draft unknown | Brouillon inconnu | There is no draft with this id. | List the drafts.
draft-released | state | Draft released already | Brouillon déjà émis | The draft was released and signed. | Publish a change instead.
draft-unapproved | state | Draft not approved | Brouillon non approuvé | The draft waits for approval. | Have it approved.
approval-same-person | forbidden | Approved by its author | Approbation par l'auteur | A draft must be approved by another person. | Let another person approve it.
outbox-full | limit | Outbox full | File d'envoi pleine | More events wait for a receipt than allowed. | Wait until the ledger answers.
reconcile-differs | stale | Node and ledger differ | Écart entre nœud et registre | The node's stream head is not the ledger's. | Run passerelle node reconcile.
# Log: tiles, proofs, notes, checkpoints
proof-malformed | invalid | Proof malformed | Preuve mal formée | The proof is not in its form or of the wrong length. | Fetch the proof again.
proof-invalid | invalid | Proof does not verify | Preuve non vérifiée | The hashes do not lead to the root. | Do not trust the entry; fetch the proof again and report it if it stays.
proof-index-outside | range | Index outside the tree | Indice hors de l'arbre | The index is not below the tree's size. | Ask for an index below the size.
proof-size-invalid | invalid | Tree size invalid | Taille d'arbre invalide | The sizes are zero, negative or in the wrong order. | Ask for sizes in order and above zero.
proof-inclusion-invalid | invalid | Inclusion not proved | Inclusion non prouvée | The inclusion proof does not lead to the root. | Do not trust the entry; report it.
proof-consistency-invalid | invalid | Consistency not proved | Cohérence non prouvée | The consistency proof does not join the two roots. | Keep both checkpoints and report it: the log may have forked.
proof-root-mismatch | invalid | Root differs | Racine différente | The root computed is not the one signed. | Keep both and report it.
proof-entry-mismatch | invalid | Proof is of another entry | Preuve d'une autre entrée | The proof's index or leaf is not that of the entry. | Fetch entry and proof together.
tree-too-large | range | Tree too large | Arbre trop grand | The size is beyond 2^63 - 1. | Ask for a smaller size.
merkle-node-missing | loss | Merkle node missing | Nœud de Merkle manquant | A stored node of the tree is absent. | Run passerelle ledger check.
note-malformed | invalid | Note malformed | Note mal formée | The signed note is not in C2SP form. | Fetch it again and keep its bytes.
note-too-large | large | Note too large | Note trop volumineuse | The signed note is over its limit. | Fetch it again.
note-key-malformed | invalid | Verifier key malformed | Clé de vérification mal formée | The verifier key is not name+hash+base64 of a known kind. | Copy the key whole from the registry.
note-key-unknown | invalid | No known signature | Aucune signature connue | The note has no signature of a key that is trusted here. | Configure the log's verifier key.
note-unsigned | invalid | Note not signed by the log | Note non signée par le journal | The log's own signature is absent. | Fetch the checkpoint from the log.
note-signature-missing | invalid | Signature missing | Signature manquante | The note lacks a signature that is required. | Fetch it again later.
note-signature-invalid | invalid | Note signature invalid | Signature de note invalide | A signature by a known key does not verify. | Do not trust the note; report it.
note-signature-duplicate | invalid | Signature repeated | Signature répétée | One key signed the note twice. | Fetch it again.
checkpoint-malformed | invalid | Checkpoint malformed | Point de contrôle mal formé | The checkpoint is not origin, size and root in C2SP form. | Fetch it again.
checkpoint-origin-mismatch | invalid | Checkpoint of another log | Point de contrôle d'un autre journal | The origin is not this network. | Fetch it from this network's log.
checkpoint-forked | loss | Two roots for one size | Deux racines pour une taille | Two checkpoints of one size have different roots. | Keep both and tell every member: the log forked.
checkpoint-behind | state | Checkpoint behind | Point de contrôle en retard | The checkpoint does not cover the entry yet. | Wait for the next checkpoint.
checkpoint-not-ready | away | No checkpoint yet | Aucun point de contrôle | The log has not signed a checkpoint yet. | Wait a moment.
checkpoint-shrunk | loss | Log shrank | Journal raccourci | A later checkpoint is smaller than an earlier one. | Keep both and report it.
checkpoint-inconsistent | loss | Log rewritten | Journal réécrit | A later checkpoint does not extend an earlier one. | Keep both and tell every member: the log changed its past.
cosignature-malformed | invalid | Cosignature malformed | Cosignature mal formée | A witness signature is not in C2SP form. | Fetch the checkpoint again.
cosignature-invalid | invalid | Cosignature invalid | Cosignature invalide | A witness signature does not verify. | Report it to the witness.
cosignature-untimely | invalid | Cosignature at another time | Cosignature hors du temps | The time of a witness signature is not near now, or before its checkpoint. | Set the witness's clock and cosign the latest checkpoint.
cosignature-late | state | Cosignature too late | Cosignature tardive | Enough newer checkpoints are cosigned already. | Cosign the latest checkpoint.
witness-quorum-missing | state | Not enough witnesses | Témoins insuffisants | Fewer witnesses cosigned than the policy asks. | Wait for cosignatures or fetch a later checkpoint.
witness-policy-malformed | invalid | Witness policy malformed | Politique de témoins mal formée | The witness policy cannot be read. | Correct the policy file.
witness-conflict | stale | Witness saw another size | Taille connue du témoin différente | The witness's last size is not the one that the request starts from. | Ask again from the size that it answered.
witness-key-unknown | forbidden | Not a witness key | Pas une clé de témoin | The registry lists no such key of the caller for the use witness. | Let the operator list it: passerelle operator keys MEMBER --add-witness FILE.
tile-malformed | invalid | Tile malformed | Tuile mal formée | The tile is not whole hashes or entries. | Fetch it again.
tile-absent | absent | Tile absent | Tuile absente | The tile is beyond the log, or not there yet. | Ask for a tile of the latest checkpoint.
tile-address-malformed | invalid | Tile address malformed | Adresse de tuile mal formée | The path is not a C2SP tile path. | Use /tile/<level>/<index>[.p/<width>].
tile-hash-mismatch | loss | Tile does not fit its tree | Tuile incohérente | A tile's hash is not the one of the level above. | Do not trust it; report it.
evidence-malformed | invalid | Evidence file malformed | Fichier de preuve mal formé | The evidence file is not in its form. | Get the file again from the node that wrote it.
evidence-unproven | state | Evidence proves nothing | Preuve non concluante | The two checkpoints and the hashes do not contradict each other. | Do not accuse anybody with this file.
receipt-malformed | invalid | Receipt file malformed | Reçu mal formé | The receipt file is not in its form. | Get the file again from the issuer.
receipt-refused | state | Receipt of a refused entry | Reçu d'une entrée refusée | The entry was logged as refused: it proves no award. | Ask the issuer.
release-file-malformed | invalid | Release file malformed | Fichier d'autorisation mal formé | The release file is not in its form. | Get the file again from the issuer.
entry-absent | absent | Entry absent | Entrée absente | The log has no entry there. | Ask for an index below the size.
seal-key-missing | absent | No key to seal to | Aucune clé de scellement | The registry shows no key in force of the receiver with the use seal. | The receiver runs passerelle node transfer seal-key; the operator lists the key: passerelle operator keys MEMBER --add-seal FILE.
proposal-open | state | Proposal not answered | Proposition sans réponse | A line of the proposal was neither accepted, changed nor declined. | Answer each line, then decide.
permission-invalid | refused | Permission does not fit | Permission inadaptée | The letter of permission is not in force, is another institution's, or does not cover this host or course. | Name a permission in force that fits, or open the case without one.
permission-expired | state | Permission ended | Permission échue | The letter of permission ended before this use, or its term has not begun. | Use it between the first day of its term and its last day.
permission-used | state | Permission used already | Permission déjà utilisée | The letter of permission serves another transfer case already. | Decide in that case, or withdraw it first.
permission-begun | state | Term has begun | Session commencée | A permission is amended or withdrawn before its term begins only. | Honour it; settle what changed in the transfer case of the return.
preliminary-expired | state | Preliminary assessment ended | Évaluation préliminaire échue | The time within which the preliminary assessment is honoured is over. | Assess again by the rules of today.
proposal-absent | absent | No proposal | Aucune proposition | No decision was proposed for this version of the case. | Run passerelle node transfer propose.
pdf-unreadable | invalid | PDF cannot be checked | PDF invérifiable | The file is no PDF, is damaged or encrypted, or takes more time or memory to check than it may. | Get the file again from who issued it.
pdf-unverified | state | PDF does not vouch for itself | PDF non attesté | The PDF is not signed, was changed after it was signed, or its signer leads to no certificate that the office trusts. | Ask its issuer for it again, or put the issuer's root certificate into the trust folder.
sealed-malformed | invalid | Sealed file malformed | Fichier scellé mal formé | The sealed document cannot be opened with this key. | Ask its sender to seal it to the present key.
answer-malformed | invalid | Signed answer malformed | Réponse signée mal formée | The file is not a signed answer in its form. | Get the file again, unchanged.
answer-expired | state | Signed answer expired | Réponse signée échue | The time for which the answer was signed is over, or has not begun. | Ask again.
answer-key-missing | away | No key for signed answers | Aucune clé pour signer les réponses | The service has no key for signed answers that the registry shows in force. | Ask without a signature, or have the operator of the service list its key: passerelle operator keys MEMBER --add-answer FILE.
answer-signature-invalid | invalid | Signed answer does not verify | Réponse signée non vérifiée | The answer's signature does not verify under the service's key. | Ask again and compare.
# Joining
sandbox-required | forbidden | Not a sandbox | Pas un bac à sable | Invented records may be published in a sandbox only, and the registry does not say that this federation is one. | Name the sandbox in the configuration; its operator was made with passerelle operator init --sample.
selftest-malformed | invalid | Selftest report malformed | Rapport d'autovérification mal formé | The file is not a selftest's report in its form, or it contradicts itself. | Ask the member for the file again, unchanged.
selftest-failed | state | Selftest failed | Autovérification échouée | A step of the selftest failed, was left out, or is not proved. | Mend what the step names, then run passerelle node selftest again.
selftest-outdated | state | Selftest too old | Autovérification périmée | The selftest was not run within the time that the operator accepts. | Ask the member to run it again.
selftest-contracts | state | Other contract versions | Autres versions des contrats | The member's software speaks other versions of formats or event types than the operator's. | Bring both to the same version, then run the selftest again.
# Questions and answers
argument-invalid | invalid | Argument invalid | Argument invalide | An argument is missing or not in its form. | Correct the named argument.
argument-missing | invalid | Argument missing | Argument manquant | A required argument is absent. | Give it.
argument-conflict | invalid | Arguments exclude each other | Arguments incompatibles | Two arguments cannot stand together. | Give one of them.
not-found | absent | Not found | Introuvable | There is no such thing. | Check the id.
page-token-invalid | invalid | Page token invalid | Jeton de page invalide | The page token is not one made here for this question. | Start from the first page.
too-many-items | limit | Too many items | Trop d'éléments | The request holds more items than allowed. | Split it.
message-too-large | large | Message too large | Message trop volumineux | The request is over its size limit. | Split it.
rate-limited | limit | Too many requests | Trop de requêtes | The caller is over its rate. | Wait, then try again.
too-many-watchers | limit | Too many watchers | Trop d'abonnés | No more live connections are taken. | Try again later.
watcher-too-slow | limit | Reader too slow | Lecteur trop lent | The reader did not keep up and was disconnected. | Connect again from the last position.
snapshot-invalid | invalid | Snapshot not usable | Instantané inutilisable | A snapshot file of the index is not whole, of another form or network, or not of this log. | Nothing: the index is read from the database, and a new snapshot is written.
position-not-reached | away | Position not reached | Position non atteinte | The answering service has not reached the asked position by the deadline. | Ask again, or with a lower min_position.
position-outside | range | Position beyond the log | Position au-delà du journal | The position is beyond the log's end. | Ask for a position up to the head.
not-settled | state | Instant not settled yet | Instant non encore fixé | Entries up to this instant may still come. | Ask again when the head's floor has passed it.
deadline-exceeded | timeout | Time ran out | Délai dépassé | The answer did not come in time. | Ask again with more time.
cancelled | cancelled | Cancelled | Annulé | The caller went away. | Ask again.
suppressed | refused | Count suppressed | Nombre masqué | The count is below 10 and is not published. | Ask for a wider group.
# Running
config-missing | invalid | Setting missing | Réglage manquant | A required setting is absent. | Set it in the file or the environment.
config-invalid | invalid | Setting invalid | Réglage invalide | A setting does not have its form. | Correct it.
config-unknown | invalid | Setting unknown | Réglage inconnu | A setting is not known. | Remove it or correct its name.
config-unreadable | invalid | Settings file unreadable | Fichier de réglages illisible | The settings file cannot be read. | Check its path, permissions and syntax.
config-mismatch | state | Settings do not agree | Réglages incompatibles | Two settings, or a setting and the stored state, do not agree. | Correct the setting; stored state is never rewritten.
config-secret-exposed | invalid | Secret in the open | Secret exposé | A secret stands in a setting, or its file can be read by others. | Give the path of a file that only the owner can read.
root-key-mismatch | state | Root key differs | Clé racine différente | Member-stream number 1 is not signed by the configured root key. | Check the root key file and the network.
registry-invalid | loss | Registry cannot be built | Registre des membres inutilisable | A stored registry or a member event cannot be applied. | Run passerelle ledger check.
broker-unavailable | away | Kafka not reachable | Kafka injoignable | The broker does not answer. | Check that it runs, its address, and the credentials.
broker-credentials | login | Kafka refused the credentials | Identifiants Kafka refusés | The broker closed the connection at log-in. | Check user, secret file and mechanism.
topic-missing | absent | Topic missing | Sujet Kafka manquant | A topic is absent. | Create the topics, or start the ledger first.
topic-shape | state | Topic has another shape | Sujet Kafka d'une autre forme | A topic's partitions or settings are not those of the contract. | Correct the topic; partition counts never change within a version.
offset-out-of-range | loss | Records lost before reading | Enregistrements perdus avant lecture | The stored offset is no longer in the topic. | Stop; find out what was lost before moving the offset.
reader-stalled | away | Reader stands still | Lecture à l'arrêt | A reader of Kafka gets nothing although its topic holds more. | Nothing to do: it is opened anew from the stored position.
produce-failed | away | Not published | Non publié | The broker did not take a record. | It is tried again; check the broker.
database-unavailable | away | Database not reachable | Base de données injoignable | PostgreSQL does not answer. | Check that it runs and its address.
database-conflict | stale | Transaction to be repeated | Transaction à répéter | PostgreSQL ended the transaction because of another. | It is tried again.
database-schema | state | Database schema differs | Schéma de base différent | The database was made by another version. | Run the migrations.
migration-changed | state | Migration changed | Migration modifiée | A migration that was applied has another content now. | Restore the file; write a new migration.
migration-missing | state | Migration missing | Migration manquante | The database lacks a migration of this version. | Start the service of this version on it once; it brings the database up to date.
commit-unknown | away | Outcome of commit unknown | Issue de la validation inconnue | The connection ended during COMMIT. | The head is read again before anything else.
lease-lost | stale | Lease lost | Bail perdu | Another process holds the lease now. | Let it run; this one waits.
lease-held | state | Another process is active | Autre processus actif | The lease is held by another process. | Wait, or stop the other one.
disk-full | limit | Disk full | Disque plein | There is no room to write. | Free room; work goes on by itself.
memory-exceeded | limit | Memory bound exceeded | Limite de mémoire dépassée | The process held more memory than its setting allows, also after it gave its caches up. | Let its supervisor start it again; raise memory_max_mb where it comes back soon.
loop-stalled | away | Work stands still | Travail à l'arrêt | The work in hand has not moved for too long, although every wait in it has a bound. | Let its supervisor start it again; report it with the log around this time.
clock-behind | state | Clock behind the log | Horloge en retard | The clock is more than 5 seconds behind the last entry. | Set the clock.
clock-ahead | state | Clock ahead of the log | Horloge en avance | The clock is far ahead of the ledger's, or the ledger stands still. | Set the clock by a time server (NTP); if it is right, ask the operator.
ledger-diverged | loss | Ledger and feed differ | Registre et flux divergents | The database, the feed and the checkpoints do not agree. | Stop; keep all three; run passerelle ledger check.
inbox-lost | loss | Letters lost | Messages perdus | Inbox records are past retention in Kafka and in the ledger. | See with passerelle node reconcile what this node lacks; ask the senders for what is about their learners.
feed-gap | loss | Gap in the feed | Trou dans le flux | An index is missing on the feed. | Fetch the missing entries from the log.
archive-malformed | invalid | Archive not usable | Archive inutilisable | A file of an archive is missing, cut, in another place or not what it must be. | Take the archive again from its source; nothing was imported.
archive-incomplete | state | Archive without private part | Archive sans partie privée | The archive holds public bodies only, so that no ledger can go on from it. | Export with --with-party-bodies, or verify it with --verify.
database-not-empty | exists | Database not empty | Base de données non vide | The database holds a log already. | Import into a new database.
refill-waiting | away | Refill waits for bodies | Remplissage en attente | A body past retention was asked of its sender. | Wait until the sender answers.
verifier-lost | away | Signature checker lost | Vérificateur de signatures perdu | A process that checks signatures ended before it answered. | Nothing to do: it is started anew and the records are read again.
service-stopping | away | Service is stopping | Service en arrêt | The service is shutting down. | Try again at another instance.
service-unavailable | away | Service not available | Service indisponible | The service cannot answer now. | Try again later.
queue-full | limit | Queue full | File pleine | A bounded queue is full. | Wait, then try again.
retry-exhausted | away | Tries used up | Tentatives épuisées | The operation failed on every try. | See the cause; try again later.
webhook-refused | refused | Webhook address refused | Adresse de webhook refusée | The address is not allowed as a webhook target. | Use a public https address.
webhook-failed | away | Webhook not delivered | Webhook non livré | The receiver did not take the delivery. | It is tried again with back-off.
runtime-missing | state | Runtime missing | Environnement manquant | A program needed here cannot be found or fetched. | Install it, or name its path.
port-taken | state | Port taken | Port occupé | The address is in use. | Choose another port.
child-failed | internal | Child process ended | Processus enfant terminé | A process started here ended by itself. | See its log.
internal | internal | Internal error | Erreur interne | A defect of this program. | Report it with the log around this time.
"""


@dataclass(frozen=True, slots=True)
class CodeInfo:
    """One row of the table: titles, one-sentence meaning, default fix, HTTP status, name of the gRPC status code."""

    code: str
    title: str
    title_fr: str
    meaning: str
    fix: str
    http: int
    grpc: str


def _parse(table: str) -> dict[str, CodeInfo]:
    codes: dict[str, CodeInfo] = {}
    for row in table.splitlines():
        if not row or row.startswith("#"):
            continue
        code, status, title, title_fr, meaning, fix = (cell.strip() for cell in row.split(" | "))
        if code in codes:
            raise ValueError(f"error code listed twice: {code}")
        http, grpc = _STATUS[status]
        codes[code] = CodeInfo(code, title, title_fr, meaning, fix, http, grpc)
    return codes


CODES: Final[dict[str, CodeInfo]] = _parse(_TABLE)


def code_info(code: str) -> CodeInfo:
    """Return the row of ``code``; an unlisted code is shown as ``internal`` so that showing an error never fails."""
    return CODES.get(code, CODES["internal"])


class PasserelleError(Exception):
    """Base of every error raised on purpose.

    ``code``: stable kebab-case, listed in :data:`CODES`; ``what``: one sentence; ``where``: row, field, topic, file or
    ``""``; ``fix``: what to do (the table's default when not given).
    """

    code: str
    what: str
    where: str
    fix: str

    def __init__(self, code: str, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(code, what)
        self.code = code
        self.what = what
        self.where = where
        self.fix = fix or code_info(code).fix

    @property
    def info(self) -> CodeInfo:
        """The table's row of this error."""
        return code_info(self.code)

    def __str__(self) -> str:
        place = f" at {self.where}" if self.where else ""
        return f"{self.code}{place}: {self.what} {self.fix}".rstrip()

    def as_dict(self) -> dict[str, str]:
        """Code, what, where, fix: the shape shown by ``--json``, HTTP and gRPC details."""
        return {"code": self.code, "what": self.what, "where": self.where, "fix": self.fix}


class FormatError(PasserelleError):
    """Bytes or text that do not have their form."""


class SignatureInvalid(PasserelleError):
    """A signature, path or hash that does not verify."""


class ProofError(PasserelleError):
    """A Merkle proof, note, checkpoint or tile that does not have its form or does not verify."""


class Refused(PasserelleError):
    """A decision: the event is logged as ``refused <code>`` and its number is spent."""


class Conflict(PasserelleError):
    """The state moved on: a stale version, or ``sequence-conflict``."""


class NotFound(PasserelleError):
    """No such thing."""


class Unavailable(PasserelleError):
    """A service cannot answer now; the caller may ask again."""


class ConfigError(PasserelleError):
    """A setting is missing or wrong; the process does not start."""


class Fatal(PasserelleError):
    """Stop and reload: going on could harm the log."""


class Retryable(PasserelleError):
    """Nothing was changed; the same operation may be tried again, within its bounds."""
