"""The reference part of docs/cli.md, made from the command: `python -m tests.docs.cli_reference` writes it.

Read from the annotations, which are ours, and not from typer's own objects, which differ between its versions.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from captain.cli.main import app, start

PAGE: Final = Path(__file__).parents[2] / "docs" / "cli.md"
START: Final = "<!-- reference -->\n"
END: Final = "<!-- /reference -->\n"


def commands() -> dict[str, Callable[..., Any]]:
    """By what is typed to reach them."""
    found = {f"captain {info.callback.__name__}": info.callback for info in app.registered_commands if info.callback}
    for group in (info.typer_instance for info in app.registered_groups):
        assert group is not None
        inner = group.registered_commands
        found |= {
            f"captain {group.info.name} {one.name or one.callback.__name__}": one.callback
            for one in inner
            if one.callback
        }
    return {"captain": start, **found}


def options(command: Callable[..., Any]) -> Iterator[tuple[str, OptionInfo | ArgumentInfo, Any, Any]]:
    """The parameter's name, what is said of it, its type, and its default."""
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        kind, *notes = get_args(hints[name]) or (None,)
        for note in notes:
            if isinstance(note, OptionInfo | ArgumentInfo):
                yield name, note, kind, parameter.default


def flags(info: OptionInfo | ArgumentInfo) -> tuple[str, ...]:
    # in an annotation, the first name stands where elsewhere a default would
    declared = [str(names) for names in (info.default, *(info.param_decls or ())) if str(names).startswith("-")]
    return tuple(flag for names in declared for flag in names.split("/"))


def reference() -> str:
    return "\n\n".join(_section(name, command) for name, command in commands().items())


def renewed(page: str) -> str:
    before, _, rest = page.partition(START)
    return f"{before}{START}\n{reference()}\n\n{END}{rest.partition(END)[2]}"


def _section(name: str, command: Callable[..., Any]) -> str:
    lines = [f"### {name}"]
    if about := command.__doc__ or app.info.help:
        lines += ["", " ".join(about.split())]
    rows = [_row(*option) for option in options(command)]
    return "\n".join([*lines, "", "| | |", "|---|---|", *rows] if rows else lines)


def _row(name: str, info: OptionInfo | ArgumentInfo, kind: Any, default: Any) -> str:
    value = f" {info.metavar}" if info.metavar else ""
    names = [f"`{flag}{value}`" for flag in flags(info)] or [f"`{info.metavar or name.upper()}`"]
    text = (info.help or "").replace(" - ", " `-` ")
    if get_origin(kind) is Literal:
        text += f" One of {', '.join(f'`{choice}`' for choice in get_args(kind))}."
    if default not in (None, False, inspect.Parameter.empty):
        text += f" Default: `{default}`."
    return f"| {', '.join(names)} | {text} |"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")
