"""The formats of other standards, in the order in which a file is tried."""

from __future__ import annotations

from passerelle.node.formats.badges import Badges, OldBadges
from passerelle.node.formats.elmo import Elmo
from passerelle.node.formats.exchange import NONE, Settings
from passerelle.node.formats.pesc_json import PescJson
from passerelle.node.formats.pesc_xml import PescXml
from passerelle.node.formats.ports import Format


def standard_formats(settings: Settings | None = None) -> tuple[Format, ...]:
    """PESC (XML, JSON), ELMO, Open Badges 3.0 with CLR 2.0, Open Badges 2.0, each with the node's settings."""
    known = settings or NONE
    return (PescXml(known), PescJson(known), Elmo(known), Badges(known), OldBadges(known))
