"""The trust registry: who is a member, with which roles and keys, as the member events say in log order.

The ledger holds one mutable :class:`Registry`. An event is judged with the registry as it stands before the event
itself, so what a member event changes acts from the next index. Refusals leave the registry untouched.
Sources: contracts/formats.md, "Trust registry" and "Key ids".
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from passerelle.core.errors import ConfigError, Fatal, FormatError, PasserelleError, Refused
from passerelle.core.signature import PUBLIC_KEY_SIZE, key_id
from passerelle.core.statement import FAMILIES, check_member_id, check_network

ADMITTED: Final = "ca.passerelle.member.admitted.v1"
KEYS_CHANGED: Final = "ca.passerelle.member.keys-changed.v1"
ROLES_CHANGED: Final = "ca.passerelle.member.roles-changed.v1"
SUSPENDED: Final = "ca.passerelle.member.suspended.v1"
REMOVED: Final = "ca.passerelle.member.removed.v1"

ROLES: Final = frozenset({"issue", "recognise", "articulate", "endorse", "read", "operate"})
USES: Final = frozenset({"sign", "log", "witness", "seal", "answer"})
MAX_KEYS: Final = 256
"""Keys that one member can have had, removed ones included: bounds what its events can make the registry hold."""

_HEX_KEY: Final = re.compile(r"[0-9a-f]{64}")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FREE_TEXT: Final = ("authority", "parent", "relation", "awarding", "delegations", "log_vkey", "description", "sample")


class Status(StrEnum):
    """State of a member. Suspended: its events are refused until its roles are stated anew. Removed: final."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REMOVED = "removed"


class KeyVerdict(StrEnum):
    """What a key is worth for one event."""

    VALID = "valid"
    UNKNOWN = "unknown"
    """No key of the member named: the event is nobody's."""
    NOT_VALID = "not-valid"
    """The member's, but not for signing, not in its dates, or removed: to be signed anew."""
    DISTRUSTED = "distrusted"
    """Valid when logged, later declared stolen from an earlier sequence on: the event stays and is marked."""


@dataclass(slots=True)
class KeyRecord:
    """One key for ever. Times are Unix ms, ``valid_to`` exclusive; ``removed_index`` is that of the removing event."""

    key_id: str
    public_key: bytes
    use: str
    added_index: int
    valid_from: int | None = None
    valid_to: int | None = None
    removed_index: int | None = None
    distrusted_from: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form: the public key in hex, absent values as None."""
        return {
            "key_id": self.key_id,
            "public_key": self.public_key.hex(),
            "use": self.use,
            "added_index": self.added_index,
            "valid_from": self.valid_from,
            "valid_to": self.valid_to,
            "removed_index": self.removed_index,
            "distrusted_from": dict(self.distrusted_from),
        }


@dataclass(slots=True)
class MemberRecord:
    """One member. ``details`` holds what the registry passes on without reading it (parent, authority, log_vkey...)."""

    member: str
    kind: str
    names: dict[str, str]
    jurisdictions: tuple[str, ...]
    roles: frozenset[str]
    status: Status
    admitted_index: int
    changed_index: int
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, KeyRecord] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form, with lists in a fixed order."""
        return {
            "member": self.member,
            "kind": self.kind,
            "names": dict(self.names),
            "jurisdictions": list(self.jurisdictions),
            "roles": sorted(self.roles),
            "status": self.status.value,
            "admitted_index": self.admitted_index,
            "changed_index": self.changed_index,
            "reason": self.reason,
            "details": dict(self.details),
            "keys": [key.as_dict() for key in self.keys.values()],
        }


class Registry:
    """Members and keys of one network; ``index`` is that of the last member event applied, -1 before the first."""

    __slots__ = ("_owners", "index", "members", "network", "operator", "root_public_key")

    def __init__(self, network: str, operator: str, root_public_key: bytes) -> None:
        """The empty registry of a network. Raises FormatError (a malformed name) or ConfigError ``config-invalid``."""
        self.network = check_network(network)
        self.operator = check_member_id(operator)
        if len(root_public_key) != PUBLIC_KEY_SIZE:
            raise ConfigError("config-invalid", "The root public key is not 32 bytes.", where="root public key")
        self.root_public_key = root_public_key
        self.index = -1
        self.members: dict[str, MemberRecord] = {}
        self._owners: dict[str, str] = {}

    @property
    def bootstrapped(self) -> bool:
        """Whether the operator's own admission is in: until then only the root key signs."""
        return self.operator in self.members

    def member(self, member: str) -> MemberRecord:
        """The member's record. Raises Refused ``member-unknown``."""
        record = self.members.get(member)
        if record is None:
            raise Refused("member-unknown", "The registry has no such member.", where="member")
        return record

    def has_role(self, member: str, role: str) -> bool:
        """Whether an active member has the role; False for an unknown, suspended or removed one."""
        record = self.members.get(member)
        return record is not None and record.status is Status.ACTIVE and role in record.roles

    def require_active(self, member: str) -> MemberRecord:
        """The record of an active member. Raises Refused ``member-unknown``, ``-suspended`` or ``-removed``."""
        record = self.member(member)
        if record.status is not Status.ACTIVE:
            raise Refused(f"member-{record.status.value}", f"The member is {record.status.value}.", where="member")
        return record

    def key_for(self, key: str) -> tuple[str, KeyRecord] | None:
        """The member id and record of a key id, removed keys included; the root key before the first admission."""
        owner = self._owners.get(key)
        if owner is not None:
            return owner, self.members[owner].keys[key]
        if not self.bootstrapped and key == key_id(self.root_public_key):
            return self.operator, KeyRecord(key, self.root_public_key, "sign", -1)
        return None

    def is_listed(self, key: str) -> bool:
        """Whether a member event ever listed this key id."""
        return key in self._owners

    def key_valid(
        self, member: str, key: str, accepted_at: int, family: str, sequence: int, index: int | None = None
    ) -> KeyVerdict:
        """What ``key`` is worth for the member's ``sequence`` of ``family``, accepted at ``accepted_at`` (Unix ms).

        ``index``: the event's index in the log; None: the next one to be given. No error is raised.
        """
        if member == self.operator and self._before_admission(index):
            return KeyVerdict.VALID if key == key_id(self.root_public_key) else KeyVerdict.UNKNOWN
        found = self.key_for(key)
        if found is None or found[0] != member:
            return KeyVerdict.UNKNOWN
        record = found[1]
        if index is not None and record.added_index >= index:
            return KeyVerdict.UNKNOWN
        removed = record.removed_index is not None and (index is None or record.removed_index < index)
        early = record.valid_from is not None and accepted_at < record.valid_from
        late = record.valid_to is not None and accepted_at >= record.valid_to
        if record.use != "sign" or removed or early or late:
            return KeyVerdict.NOT_VALID
        return KeyVerdict.DISTRUSTED if is_distrusted(record, family, sequence) else KeyVerdict.VALID

    def _before_admission(self, index: int | None) -> bool:
        own = self.members.get(self.operator)
        return own is None or (index is not None and index <= own.admitted_index)

    def snapshot(self) -> dict[str, Any]:
        """The whole registry as a JSON-able dict; :func:`from_snapshot` restores it."""
        return {
            "network": self.network,
            "operator": self.operator,
            "root_public_key": self.root_public_key.hex(),
            "index": self.index,
            "members": [record.as_dict() for record in self.members.values()],
        }

    def adopt(self, record: MemberRecord) -> None:
        """Put a record in, with its keys findable. For :func:`apply` and :func:`from_snapshot` only."""
        self.members[record.member] = record
        for key in record.keys:
            self._owners[key] = record.member


def is_distrusted(key: KeyRecord, family: str, sequence: int) -> bool:
    """Whether an event under this key stands at or after the sequence from which the key was declared stolen."""
    start = key.distrusted_from.get(family)
    return start is not None and sequence >= start


def from_snapshot(data: Mapping[str, Any]) -> Registry:
    """The registry of a snapshot. Raises Fatal ``registry-invalid`` when the snapshot is not one."""
    try:
        registry = Registry(data["network"], data["operator"], bytes.fromhex(data["root_public_key"]))
        registry.index = int(data["index"])
        for item in data["members"]:
            registry.adopt(_member_from(item))
    except (KeyError, TypeError, ValueError, AttributeError, PasserelleError) as error:
        raise Fatal("registry-invalid", "The stored registry cannot be read.") from error
    return registry


def _member_from(item: Mapping[str, Any]) -> MemberRecord:
    return MemberRecord(
        item["member"],
        item["kind"],
        dict(item["names"]),
        tuple(item["jurisdictions"]),
        frozenset(item["roles"]),
        Status(item["status"]),
        item["admitted_index"],
        item["changed_index"],
        item["reason"],
        dict(item["details"]),
        {
            key["key_id"]: KeyRecord(
                key["key_id"],
                bytes.fromhex(key["public_key"]),
                key["use"],
                key["added_index"],
                key["valid_from"],
                key["valid_to"],
                key["removed_index"],
                dict(key["distrusted_from"]),
            )
            for key in item["keys"]
        },
    )


def apply(registry: Registry, index: int, event_type: str, data: Mapping[str, Any]) -> Registry:
    """Apply an operator's member event at ``index`` to ``registry``, in place, and return it.

    ``data`` is the event's data after its schema was checked. The caller has checked that the operator signed it.
    Raises Refused ``type-unknown``, ``schema-invalid``, ``member-unknown``, ``member-exists``, ``member-removed``,
    ``key-duplicate``, ``key-malformed``, ``key-unknown``, ``role-missing``, ``reference-unknown`` or ``step-illegal``;
    nothing changes then. Raises Fatal ``registry-invalid`` when ``index`` is not later than the last one.
    """
    if index <= registry.index:
        raise Fatal("registry-invalid", "A member event comes twice or out of order.", where=f"index {index}")
    change = _CHANGES.get(event_type)
    if change is None:
        raise Refused("type-unknown", "This is no member event.", where="type")
    try:
        change(registry, index, data)
    except (KeyError, TypeError, ValueError, AttributeError, FormatError) as error:
        raise Refused("schema-invalid", "The member event's data do not have their form.", where="data") from error
    registry.index = index
    return registry


def _admit(registry: Registry, index: int, data: Mapping[str, Any]) -> None:
    member = data["member"]
    if member in registry.members:
        raise Refused("member-exists", "The member was admitted before.", where="data.member")
    own = member == registry.operator
    if own != (data["kind"] == "operator"):
        raise Refused("operator-only", "The kind operator is for the network's operator alone.", where="data.kind")
    if not own and not registry.bootstrapped:
        raise Refused("step-illegal", "The first member event is the operator's own admission.", where="data.member")
    if data.get("log_vkey") and not own:
        raise Refused("operator-only", "Only the operator's admission names the log's key.", where="data.log_vkey")
    parent = data.get("parent")
    if parent is not None and parent not in registry.members:
        raise Refused("reference-unknown", "The parent is not a member.", where="data.parent")
    keys = _new_keys(registry, index, member, data["keys"])
    if own and not any(key.use == "sign" for key in keys.values()):
        raise Refused("step-illegal", "The operator's admission lists no key to sign with.", where="data.keys")
    registry.adopt(
        MemberRecord(
            check_member_id(member),
            data["kind"],
            dict(data["names"]),
            tuple(data["jurisdictions"]),
            _roles(data["roles"]),
            Status.ACTIVE,
            index,
            index,
            details={name: data[name] for name in _FREE_TEXT if data.get(name) is not None},
            keys=keys,
        )
    )


def _change_keys(registry: Registry, index: int, data: Mapping[str, Any]) -> None:
    record = _present(registry, data)
    added = _new_keys(registry, index, record.member, data.get("add") or ())
    ended: dict[str, dict[str, int]] = {}
    for number, removal in enumerate(data.get("remove") or ()):
        where = f"data.remove[{number}]"
        key = record.keys.get(removal["key_id"])
        if key is None or key.key_id in ended:
            raise Refused("key-unknown", "The member has no such key to remove.", where=where)
        ended[key.key_id] = _distrust(removal.get("distrust_from") or {}, where)
        if key.removed_index is not None and not ended[key.key_id]:
            raise Refused("step-illegal", "The key is removed already.", where=where)
    if not added and not ended:
        raise Refused("schema-invalid", "The event changes no key.", where="data")
    if record.member == registry.operator and not _still_signs(record, added, ended):
        raise Refused("step-illegal", "The operator would have no key left to sign with.", where="data.remove")
    for key_name, distrust in ended.items():
        key = record.keys[key_name]
        if key.removed_index is None:
            key.removed_index = index
        # A theft that is found to go further back moves the mark back, never forward.
        for family, start in distrust.items():
            key.distrusted_from[family] = min(start, key.distrusted_from.get(family, start))
    record.keys.update(added)
    record.changed_index = index
    registry.adopt(record)


def _change_roles(registry: Registry, index: int, data: Mapping[str, Any]) -> None:
    record = _present(registry, data)
    record.roles = _roles(data["roles"])
    # Stating the roles anew is how a suspension ends: there is no separate event for it.
    record.status = Status.ACTIVE
    record.reason = ""
    record.changed_index = index


def _suspend(registry: Registry, index: int, data: Mapping[str, Any]) -> None:
    record, reason = _present(registry, data), str(data["reason"])
    if record.member == registry.operator or record.status is Status.SUSPENDED:
        raise Refused("step-illegal", "The operator, or a suspended member, cannot be suspended.", where="data.member")
    record.status = Status.SUSPENDED
    record.reason = reason
    record.changed_index = index


def _remove(registry: Registry, index: int, data: Mapping[str, Any]) -> None:
    record, reason = _present(registry, data), str(data["reason"])
    if record.member == registry.operator:
        raise Refused("step-illegal", "The operator cannot be removed.", where="data.member")
    record.status = Status.REMOVED
    record.reason = reason
    record.changed_index = index
    for key in record.keys.values():
        # Its keys end with it, so that nothing more of it can enter the log.
        if key.removed_index is None:
            key.removed_index = index


_CHANGES: Final[dict[str, Callable[[Registry, int, Mapping[str, Any]], None]]] = {
    ADMITTED: _admit,
    KEYS_CHANGED: _change_keys,
    ROLES_CHANGED: _change_roles,
    SUSPENDED: _suspend,
    REMOVED: _remove,
}


def _present(registry: Registry, data: Mapping[str, Any]) -> MemberRecord:
    record = registry.member(data["member"])
    if record.status is Status.REMOVED:
        raise Refused("member-removed", "The member was removed; that is final.", where="data.member")
    return record


def _roles(roles: Sequence[str]) -> frozenset[str]:
    if not ROLES.issuperset(roles):
        raise Refused("schema-invalid", "A role is not a known one.", where="data.roles")
    return frozenset(roles)


def _new_keys(registry: Registry, index: int, member: str, items: Sequence[Mapping[str, Any]]) -> dict[str, KeyRecord]:
    record = registry.members.get(member)
    if len(items) + (len(record.keys) if record else 0) > MAX_KEYS:
        raise Refused("too-many-items", f"A member has at most {MAX_KEYS} keys.", where="data.keys")
    keys: dict[str, KeyRecord] = {}
    for number, item in enumerate(items):
        where = f"data.keys[{number}]"
        key = _new_key(index, item, where)
        others_root = key.public_key == registry.root_public_key and member != registry.operator
        if key.key_id in keys or registry.is_listed(key.key_id) or others_root:
            raise Refused("key-duplicate", "The key is in the registry already.", where=where)
        keys[key.key_id] = key
    return keys


def _new_key(index: int, item: Mapping[str, Any], where: str) -> KeyRecord:
    text = item["public_key"]
    if not _HEX_KEY.fullmatch(text):
        raise Refused("key-malformed", "The public key is not 64 lower-case hex digits.", where=where)
    public_key = bytes.fromhex(text)
    if item["key_id"] != key_id(public_key):
        raise Refused("key-malformed", "The key id is not the one made from the key.", where=where)
    if item["use"] not in USES:
        raise Refused("schema-invalid", "The key's use is not a known one.", where=where)
    start, end = _instant(item.get("valid_from")), _instant(item.get("valid_to"))
    if start is not None and end is not None and end <= start:
        raise Refused("dates-reversed", "The key's validity ends before it starts.", where=where)
    return KeyRecord(item["key_id"], public_key, item["use"], index, start, end)


def _instant(value: object) -> int | None:
    """Unix ms of an RFC 3339 text, a datetime with an offset, or a number that is Unix ms already."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, dt.datetime) or moment.tzinfo is None:
        raise ValueError("an instant needs an offset")
    return (moment - _EPOCH) // dt.timedelta(milliseconds=1)


def _distrust(starts: Mapping[str, Any], where: str) -> dict[str, int]:
    for family, start in starts.items():
        if family not in FAMILIES or not isinstance(start, int) or isinstance(start, bool) or start < 1:
            raise Refused("schema-invalid", "distrust_from is not sequences by family.", where=where)
    return dict(starts)


def _still_signs(record: MemberRecord, added: Mapping[str, KeyRecord], ended: Mapping[str, object]) -> bool:
    kept = [key for key in record.keys.values() if key.removed_index is None and key.key_id not in ended]
    return any(key.use == "sign" for key in (*kept, *added.values()))
