"""The options that questions to the query service share, stated once: as of when, how many, of whom, in which form."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from passerelle.cli import answering
from passerelle.cli.answering import (
    QUERY_DEFAULT,
    KnownAtOption,
    LangOption,
    MinPositionOption,
    Q,
    QueryOption,
    R,
    SignOption,
    TimeoutOption,
)
from passerelle.cli.common import JsonOption

if TYPE_CHECKING:
    from passerelle.client import Unary

MAX_SHOWN: Final = 100_000
AchievementArgument = Annotated[str, typer.Argument(help="Achievement id, for example humber/revit-architecture.")]
AskedOnOption = Annotated[str, typer.Option("--asked-on", help="Date of the question, YYYY-MM-DD.")]
GivenOption = Annotated[list[str] | None, typer.Option("--given", help="case.plar_share=0.4; may come again.")]
AgesOnOption = Annotated[str, typer.Option("--valid-on", help="Date that ages count back from; today otherwise.")]
ValidOnOption = Annotated[str, typer.Option("--valid-on", help="Completion date, YYYY-MM-DD; today otherwise.")]


@dataclass(frozen=True, slots=True)
class Asking:
    """What was asked for beside the question itself. An option that the command does not take has its default."""

    query: str
    lang: str | None
    timeout: float
    json: bool
    known_at: str | None = None
    min_position: int | None = None
    valid_on: str | None = None
    limit: int = 0
    sign: Path | None = None

    @property
    def language(self) -> str:
        """``en`` or ``fr``. Raises FormatError ``language-unknown``."""
        return answering.language(self.lang)

    def one(self, method: Unary[Q, R], request: Q) -> R:
        """The answer of a method with one answer."""
        return answering.ask_one(self.query, method, request, self.timeout)

    def pages(self, method: Unary[Q, R], request: Q, field: str) -> tuple[R, list[Any]]:
        """The first answer, and the items of ``field`` of all pages up to the limit."""
        return answering.ask_pages(self.query, method, request, field, self.limit, self.timeout)

    def moment(self) -> dict[str, Any]:
        """The fields of a request that say as of when. Raises FormatError ``argument-invalid``."""
        found: dict[str, Any] = {"known_at": answering.known_at(self.known_at) or None}
        given = {"min_position": self.min_position, "valid_on": self.valid_on}
        return found | {name: value for name, value in given.items() if value is not None}


def asks(
    timeout: float,
    *,
    valid_on: bool = False,
    min_position: bool = True,
    limit: int = 0,
    most: int = MAX_SHOWN,
    shown: str = "results",
    sign: bool = False,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these options; it gets them as its argument ``asking``.

    ``timeout`` in seconds; ``limit`` how many results are shown unless another number up to ``most`` is asked for,
    0 for a command without a list; ``shown`` what the help calls them.
    """
    limited = Annotated[int, typer.Option("--limit", min=1, max=most, help=f"Most {shown} shown.")]
    options: list[tuple[str, Any, Any]] = [("valid_on", ValidOnOption, "")] if valid_on else []
    options.append(("known_at", KnownAtOption, None))
    options += [("min_position", MinPositionOption, 0)] if min_position else []
    options += [("limit", limited, limit)] if limit else []
    options += [("query", QueryOption, QUERY_DEFAULT), ("lang", LangOption, None), ("timeout", TimeoutOption, timeout)]
    options += [("sign", SignOption, None)] if sign else []
    options.append(("json", JsonOption, False))
    names = [name for name, _, _ in options]

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        shared = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, annotation, default in options
        ]
        parameters = [one for one in own.parameters.values() if one.name != "asking"]

        @functools.wraps(command)
        def asked(**given: Any) -> None:
            command(asking=Asking(**{name: given.pop(name) for name in names}), **given)

        signature = own.replace(parameters=[*parameters, *shared])
        asked.__signature__ = signature  # type: ignore[attr-defined]
        asked.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()}
        return asked

    return decorated
