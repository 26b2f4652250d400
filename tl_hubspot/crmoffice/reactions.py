"""What each answer of Crmoffice leads to: one table from status to reaction, and the errors that callers act on.

Pure: no waiting and no calls here, `client` acts on the reaction. Nothing quotes Crmoffice's texts, because those may
repeat names and numbers of people; codes and field names are enough to mend a record.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import msgspec

from tl_hubspot import decoding
from tl_hubspot.errors import Unreachable


class Reaction(Enum):
    """What to do about an answer."""

    USE = auto()
    RENEW_TOKEN = auto()
    FORBIDDEN = auto()
    NOT_FOUND = auto()
    WRONG_VERB = auto()
    CHANGED = auto()
    REFUSED = auto()
    WAIT = auto()
    """Nothing was done: wait as long as it says, then repeat whatever it was."""
    RETRY = auto()
    """A reading is repeated; a write may have been done and is not."""
    STOP = auto()


_REACTIONS = {
    **dict.fromkeys((200, 201, 204), Reaction.USE),
    401: Reaction.RENEW_TOKEN,
    403: Reaction.FORBIDDEN,
    404: Reaction.NOT_FOUND,
    405: Reaction.WRONG_VERB,
    408: Reaction.RETRY,
    409: Reaction.CHANGED,
    412: Reaction.CHANGED,
    422: Reaction.REFUSED,
    429: Reaction.WAIT,
}


def reaction(status: int) -> Reaction:
    """The reaction to a status: 5xx may pass; whatever else is not in the table will not mend itself."""
    return _REACTIONS.get(status, Reaction.RETRY if status >= 500 else Reaction.STOP)


class NotFound(Exception):
    """404 with Crmoffice's own word for it: a contact that never existed or was deleted."""


class Changed(Exception):
    """409 or 412: somebody was faster. Read again and plan again; nothing was stored."""


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field; `name` is empty when it is the whole record."""

    name: str
    code: str


class Refused(Exception):
    """422: hold these fields. Nothing of the request was stored."""

    def __init__(self, problems: tuple[FieldProblem, ...]) -> None:
        self.problems = problems
        super().__init__(", ".join(f"{problem.name} {problem.code}".strip() for problem in problems) or "refused")


class KeysUnknown(Exception):
    """A contact cannot be written whole, because what was read of it lacks keys: they would be emptied."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(f"the answer lacks {', '.join(names)}")


class OutcomeUnknown(Unreachable):
    """Nobody knows whether a write was done: read back before repeating it."""


class Problem(msgspec.Struct):
    """The body of an error, as far as it may be told."""

    class Field(msgspec.Struct):
        name: str = ""
        code: str = ""

    error: str = ""
    requestId: str = ""
    fields: list[Field] = []

    @property
    def told(self) -> str:
        """Code and request id, cut short; empty when the body had none."""
        parts = [self.error[:50], f"request {self.requestId[:50]}" if self.requestId else ""]
        return ", ".join(filter(None, parts))


def problem(content: bytes) -> Problem:
    """The body of an error; an empty one when it is not of this shape."""
    try:
        return decoding.decode(content, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Problem()
