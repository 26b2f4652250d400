"""The page of the commands, from the command line itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from tl_hubspot import cli
from tl_hubspot.reference.tables import markdown


def page() -> str:
    """The page as Markdown."""
    parts = [
        "# Commands",
        "`tl-hubspot COMMAND --help` says the same. Exit codes: 0 done, 1 done but some records failed, 2 wrong usage"
        " or configuration, 3 held by a guard, 4 stopped. With `--json` standard output holds one JSON document,"
        " everything else goes to standard error.",
    ]
    for name, command in sorted(_commands(typer.main.get_command(cli.app), "tl-hubspot")):
        arguments = [_shown(p) for p in command.params if p.param_type_name == "argument"]
        parts += [f"## {name}", " ".join((command.help or "").split()), f"`{' '.join((name, *arguments))}`"]
        rows = [(f"`{_shown(p)}`", p.help) for p in command.params if getattr(p, "help", None) and p.name != "help"]
        if rows:
            parts.append(markdown(("Option", "Does"), rows))
    return "\n\n".join(parts) + "\n"


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Commands below a group, with their full name; groups themselves left out."""
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for child, below in children.items():
        yield from _commands(below, f"{name} {child}")


def _shown(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.make_metavar(_context())) if parameter.metavar is None else str(parameter.metavar)
    names = " / ".join((*parameter.opts, *parameter.secondary_opts))
    return names if parameter.is_flag else f"{names} {parameter.metavar or parameter.type.name.upper()}"


def _context() -> Any:
    return typer.Context(typer.main.get_command(cli.app))
