"""Reads configuration files that people write in YAML: pieces that know their line, and mistakes said in plain words.

What a file may hold is said by its own module: `mapping` (Teamleader to HubSpot), `two_way` (HubSpot and Crmoffice).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

import yaml

from tl_hubspot.errors import ConfigurationError

# the reader in C where there is one: the other takes a tenth of a second for our own mapping
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")


@dataclass(frozen=True)
class Mistake:
    """One mistake in the file."""

    line: int
    column: int
    place: str
    what: str
    mend: str

    def where(self, file: str) -> str:
        """File, line, column and row."""
        place = f", {self.place}" if self.place else ""
        return f"{file}, line {self.line}, column {self.column}{place}"


def text_of(path: Path | str | None, default: str, *, what: str, setting: str) -> tuple[str, str]:
    """Name and text of that file, or of the default one next to this module; ConfigurationError when unreadable."""
    if path is None:
        return default, files(__package__).joinpath(default).read_text(encoding="utf-8")
    try:
        return str(path), Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(
            f"{what} cannot be read: {reason}", where=str(path), mend=f"Check the setting `{setting}`"
        ) from error


def first_of(mistakes: Sequence[Mistake], file: str) -> ConfigurationError:
    """One error that names every mistake, the first one in full."""
    first, rest = mistakes[0], mistakes[1:]
    also = "".join(f"; also {m.where(file)}: {m.what}" for m in rest)
    return ConfigurationError(first.what, where=first.where(file), mend=f"{first.mend}{also}")


Members = dict[str, yaml.Node]


class Reader:
    """Walks the YAML nodes (they know their lines) and collects mistakes."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.place = ""
        self.mistakes: list[Mistake] = []

    def wrong(self, node: yaml.Node, what: str, mend: str) -> None:
        mark = node.start_mark
        self.mistakes.append(Mistake(mark.line + 1, mark.column + 1, self.place, what, mend))

    def document(self, text: str, what: str) -> yaml.Node | None:
        """The root of a file's text; None, and a mistake, when there is nothing to walk."""
        try:
            node = yaml.compose(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            # the reader in C puts what is missing at the end on the line after the last one
            line, column = (min(mark.line, text.count("\n")) + 1, mark.column + 1) if mark else (1, 1)
            said = f"{what} is not good YAML: {error.problem or error.context}"
            self.mistakes.append(Mistake(line, column, "", said, "Check indentation, quotes and brackets there"))
            return None
        except yaml.YAMLError as error:
            said = f"{what} is not good YAML: {error}"
            self.mistakes.append(Mistake(1, 1, "", said, "Save it as plain UTF-8 text"))
            return None
        if node is None:
            self.mistakes.append(Mistake(1, 1, "", f"{what} is empty", "Start from the default file"))
        return node

    def members(self, node: yaml.Node, allowed: Iterable[str] | None, what: str) -> Members:
        """Members of a YAML mapping; scalars keep their own text, so that `NO` stays Norway."""
        found: Members = {}
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, f"{what} must be a list of `name: value`", "Look at the default file")
            return found
        allowed = None if allowed is None else list(allowed)
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            if name in found:
                self.wrong(key, f"'{name}' stands here twice", "Remove one of the two")
            elif allowed is not None and name not in allowed:
                self.wrong(key, f"Unknown key '{name}' in {what}", did_you_mean(name, allowed))
            else:
                found[name] = value
        return found

    def items(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        self.wrong(node, f"{what} must be a list", "Begin each entry with `- `")
        return []

    def text(self, members: Members, name: str, default: str = "") -> str:
        node = members.get(name)
        if node is None:
            return default
        if not isinstance(node, yaml.ScalarNode):
            self.wrong(
                node, f"'{name}' must be a single value", "Write it on one line, in quotes when it holds brackets"
            )
            return default
        return str(node.value).strip()

    def flag(self, members: Members, name: str, *, default: bool = False) -> bool:
        value = self.text(members, name, str(default)).lower()
        if value not in _TRUE + _FALSE:
            self.wrong(members[name], f"'{name}' must be true or false", "Write true or false")
        return value in _TRUE


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """How to mend a word that is not known: the closest one, and all of them."""
    known = list(known)
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"Did you mean '{close[0]}'? Known are {', '.join(known)}" if close else f"Known are {', '.join(known)}"
