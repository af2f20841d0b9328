"""XML schemas that a node was given: read from a folder of its own, never bundled and never fetched."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from lxml import etree

from passerelle.core.errors import ConfigError

Schema = etree.XMLSchema
MAX_SCHEMAS: Final = 200
_XS: Final = "{http://www.w3.org/2001/XMLSchema}"
_STAND_INS: Final = {
    "http://www.w3.org/XML/1998/namespace": (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"'
        ' targetNamespace="http://www.w3.org/XML/1998/namespace">'
        '<xs:attribute name="lang" type="xs:string"/><xs:attribute name="space" type="xs:string"/></xs:schema>'
    ),
    "https://github.com/erasmus-without-paper/ewp-specs-types-address/tree/stable-v1": (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace='
        '"https://github.com/erasmus-without-paper/ewp-specs-types-address/tree/stable-v1">'
        '<xs:complexType name="FlexibleAddress"><xs:sequence>'
        '<xs:any processContents="skip" minOccurs="0" maxOccurs="unbounded"/>'
        "</xs:sequence></xs:complexType></xs:schema>"
    ),
}
"""Small schemas that others import by address, where the folder does not hold them: any content is let through."""


class _Local(etree.Resolver):
    """Answers every import from the folder, by namespace or file name; what is not there is an error, not a fetch."""

    def __init__(self, by_name: dict[str, Path]) -> None:
        super().__init__()
        self._by_name = by_name

    def resolve(self, system_url: str | None, public_id: str | None, context: Any) -> Any:
        """The bytes of an imported schema."""
        address = system_url or ""
        if address.startswith("stand-in:"):
            return self.resolve_string(_STAND_INS[address.removeprefix("stand-in:")], context)
        found = self._by_name.get(address.rpartition("/")[2])
        return self.resolve_empty(context) if found is None else self.resolve_string(found.read_bytes(), context)


@dataclass(slots=True)
class SchemaFolder:
    """Schemas of a folder and the folders in it, by target namespace, compiled when first asked for."""

    folder: Path
    _files: dict[str, Path] = field(default_factory=dict)
    _compiled: dict[str, etree.XMLSchema] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise ConfigError("config-invalid", "the folder of schemas is not there", where=str(self.folder))
        for path in sorted(self.folder.rglob("*.xsd"))[:MAX_SCHEMAS]:
            self._files.setdefault(self._parse(path).getroot().get("targetNamespace", ""), path)

    def schema(self, namespace: str) -> etree.XMLSchema | None:
        """The schema of a namespace, None where the folder has none. Raises ConfigError where it cannot be used."""
        path = self._files.get(namespace)
        if path is None:
            return None
        if namespace not in self._compiled:
            try:
                self._compiled[namespace] = etree.XMLSchema(self._localised(path))
            except etree.XMLSchemaParseError as error:
                line = error.error_log.last_error.line if error.error_log.last_error else 0
                what = f"the schema cannot be used (line {line})"
                raise ConfigError("config-invalid", what, where=str(path)) from None
        return self._compiled[namespace]

    def _parse(self, path: Path) -> Any:
        by_name = {one.name: one for one in self._files.values()}
        parser = etree.XMLParser(no_network=True, load_dtd=False, huge_tree=False, resolve_entities=False)
        parser.resolvers.add(_Local(by_name))
        try:
            return etree.parse(str(path), parser)
        except (etree.XMLSyntaxError, OSError):
            raise ConfigError("config-invalid", "the schema is not readable XML", where=str(path)) from None

    def _localised(self, path: Path) -> Any:
        """The schema with each import pointing into the folder."""
        tree = self._parse(path)
        for one in tree.getroot().iterchildren(f"{_XS}import"):
            namespace = one.get("namespace", "")
            if namespace in self._files:
                one.set("schemaLocation", self._files[namespace].resolve().as_uri())
            elif namespace in _STAND_INS:
                one.set("schemaLocation", f"stand-in:{namespace}")
        return tree


@lru_cache(maxsize=4)
def schema_folder(folder: Path) -> SchemaFolder:
    """The schemas of a folder, read and compiled once a process. Raises ConfigError."""
    return SchemaFolder(folder)
