"""The read model as one plan sees it: what was loaded, with what the plan's own events changed on top."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from passerelle.core.things import Dependency, Effects, Thing
from passerelle.ledger.model import Loaded, Needs


class NotLoaded(Exception):
    """A rule read what the plan does not hold; it is loaded and the event decided again."""

    def __init__(self, needs: Needs) -> None:
        super().__init__("not loaded")
        self.needs = needs


class ThingCache:
    """Things of earlier commits; what no plan read for longest goes first. Right as long as one writer keeps it."""

    __slots__ = ("_maximum", "_things")

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._things: dict[str, Thing] = {}

    def __len__(self) -> int:
        return len(self._things)

    def get(self, key: str) -> Thing | None:
        """The thing, or None where it is not held here."""
        return self._things.get(key)

    def put(self, things: Iterable[Thing]) -> None:
        """Hold these as the latest."""
        held = self._things
        for thing in things:
            key = thing.key
            held.pop(key, None)
            held[key] = thing
        while len(held) > self._maximum:
            del held[next(iter(held))]

    def clear(self) -> None:
        """Forget all of them: what is read again is loaded again."""
        self._things.clear()


class PlanView:
    """A :class:`passerelle.core.things.View` of one plan."""

    __slots__ = (
        "_by_dependent",
        "_cache",
        "_edges",
        "_edges_loaded",
        "_flying",
        "_things",
        "_undepended",
        "changed",
        "created",
    )

    def __init__(self, cache: ThingCache, flying: Mapping[str, Thing]) -> None:
        """``flying``: the things of the plan before, which the database may not hold yet."""
        self._cache = cache
        self._flying = flying
        self._things: dict[str, Thing | None] = {}
        self._edges: dict[str, dict[tuple[str, str], Dependency]] = {}
        self._edges_loaded: set[str] = set()
        self._by_dependent: dict[str, set[str]] = {}
        self._undepended: set[str] = set()
        self.changed: dict[str, Thing] = {}
        self.created: set[str] = set()

    def missing(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys that neither the plan nor the cache holds."""
        things, cache, flying = self._things, self._cache, self._flying
        absent = set()
        for key in keys:
            if key not in things:
                thing = flying.get(key) or cache.get(key)
                if thing is None:
                    absent.add(key)
                else:
                    things[key] = thing
        return absent

    def held(self) -> Iterator[Thing]:
        """Every existing thing that the plan read or changed, in its latest state."""
        return (thing for thing in self._things.values() if thing is not None)

    def take(self, needs: Needs, loaded: Loaded) -> None:
        """Take in what was asked for. What the plan changed meanwhile stands."""
        for key in needs.things:
            self._things.setdefault(key, loaded.things.get(key))
        for key in needs.edges - self._edges_loaded:
            self._edges_loaded.add(key)
            for edge in loaded.edges.get(key, ()):
                if edge.dependent not in self._undepended:
                    self._add(edge)

    def thing(self, key: str) -> Thing | None:
        """The thing, None where the ledger does not hold it. Raises NotLoaded."""
        try:
            return self._things[key]
        except KeyError:
            if self.missing((key,)):
                raise NotLoaded(Needs(things={key})) from None
            return self._things[key]

    def dependents(self, key: str) -> Sequence[Dependency]:
        """The edges on a thing. Raises NotLoaded."""
        # Nothing can have rested on a thing before it was there.
        if key not in self._edges_loaded and key not in self.created and self.thing(key) is not None:
            raise NotLoaded(Needs(edges={key}))
        return tuple(self._edges.get(key, {}).values())

    def apply(self, effects: Effects) -> None:
        """Take the effects of an accepted event in."""
        for thing in effects.things:
            key = thing.key
            if key not in self.changed and self._things.get(key) is None:
                self.created.add(key)
            self._things[key] = thing
            self.changed[key] = thing
        for key in effects.undepend:
            self._undepended.add(key)
            for on in self._by_dependent.pop(key, ()):
                edges = self._edges[on]
                for gone in [edge for edge in edges if edge[0] == key]:
                    del edges[gone]
        for edge in effects.dependencies:
            self._add(edge)

    def _add(self, edge: Dependency) -> None:
        self._edges.setdefault(edge.on, {})[(edge.dependent, edge.member)] = edge
        self._by_dependent.setdefault(edge.dependent, set()).add(edge.on)
