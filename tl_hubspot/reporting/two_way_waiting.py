"""What waits for a person between HubSpot and Crmoffice, in words: what it is, and the command that settles it.

For `tl-hubspot crmoffice held`, the report and the digest. Facts come from `orchestration.steps.two_way.waiting`; no
value of anybody is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from tl_hubspot.reporting.reasons import advice

Row = dict[str, Any]
NOT_PRESSING = ("not_written", "ended")
"""Kinds of which nobody has to do anything."""


@dataclass(frozen=True)
class Waiting:
    """All of one kind. `items`: a line per record with the command for it ("" where there is none)."""

    kind: str
    what: str
    do: str
    items: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]

    @property
    def pressing(self) -> bool:
        """Whether somebody should do something."""
        return self.kind not in NOT_PRESSING


def told(rows: Iterable[Row]) -> tuple[Waiting, ...]:
    """The rows of `waiting.waiting` by kind, and those refused by system and reason."""
    found = []
    for (_, kind, system, reason, _), same in groupby(sorted(rows, key=_alike), key=_alike):
        own = tuple(same)
        what, do = _SAID[kind](own, system, reason)
        found.append(Waiting(kind, what, do, tuple(_item(row) for row in own), own))
    return tuple(found)


def _alike(row: Row) -> tuple[int, str, str, str, bool]:
    """What is told together, in the order in which it is told."""
    kind, place = row["kind"], [*_SAID].index(row["kind"])
    if kind != "refused":
        return place, kind, "", "", False
    return place, kind, row["system"], row["reason"], row["field"] is None


def as_json(rows: Sequence[Row]) -> list[Row]:
    """The rows with what to do about each, and the command that does it."""
    return [
        dict(row, what=waits.what, do=waits.do, command=command or None)
        for waits in told(rows)
        for row, (_, command) in zip(waits.rows, waits.items, strict=True)
    ]


def render(rows: Sequence[Row]) -> RenderableType:
    """For the terminal: commands stand on lines of their own, to be copied."""
    groups = told(rows)
    if not groups:
        return Text("Nothing waits for you.")
    pressing = [waits for waits in groups if waits.pressing]
    parts: list[RenderableType] = [] if pressing else [Text("Nothing waits for you.")]
    for waits in groups:
        parts.append(Text(("\n" if parts else "") + waits.what, style="bold"))
        parts.append(Padding(Text(waits.do.replace("`", "")), (0, 0, 0, 3)))
        for line, command in waits.items:
            parts += [Padding(Text(line), (0, 0, 0, 3))] if line else []
            # to be copied in one piece, however narrow the terminal
            parts += [Text(f"      {command}", no_wrap=True, overflow="ignore")] if command else []
    return Group(*parts)


# ---------------------------------------------------------------------- per kind


def _count(rows: Sequence[Row], one: str, many: str) -> str:
    return f"{len(rows):,} {one if len(rows) == 1 else many}"


def _stopped(rows: Sequence[Row], *_: str) -> tuple[str, str]:
    return "The latest cycle stopped before everything was done.", "Mend the cause; the next cycle goes on."


def _unclear(rows: Sequence[Row], *_: str) -> tuple[str, str]:
    return (
        f"{_count(rows, 'contact was', 'contacts were')} being made when the connection broke; several new ones fit.",
        "See which one was made, delete the others, and link it:",
    )


def _conflict(rows: Sequence[Row], *_: str) -> tuple[str, str]:
    return (
        f"{_count(rows, 'field was', 'fields were')} edited on both sides; the file of flows leaves that to you.",
        "`tl-hubspot crmoffice conflicts` shows both values. Write whose value counts, hubspot or crmoffice:",
    )


def _refused(rows: Sequence[Row], system: str, reason: str) -> tuple[str, str]:
    other = "HubSpot" if system == "Crmoffice" else "Crmoffice"
    is_record = rows[0]["field"] is None
    what = _count(rows, "contact", "contacts") if is_record else _count(rows, "value", "values")
    return (
        f"{system} refused {what}: {refusal(system, reason)} ({reason}).",
        f"Correct it in {other}; another value is sent with the next sync, the same one ever more rarely."
        " To have the same one sent at once:",
    )


def _ambiguous(rows: Sequence[Row], *_: str) -> tuple[str, str]:
    n = sum(len(row["hubspot_ids"]) + len(row["crmoffice_ids"]) for row in rows)
    return (
        f"{n:,} contacts cannot be told apart: several have the same {_key(rows[0])}. Nothing is done with them.",
        "Where several are one person, merge them in their system. Where they are different people, say who belongs to"
        " whom; each of the others then gets a contact of its own on the other side.",
    )


def _not_written(rows: Sequence[Row], *_: str) -> tuple[str, str]:
    return (
        f"{_count(rows, 'field waits', 'fields wait')} because the file of flows says that side is not written.",
        "Nothing, if that is meant so. Else change `write` in the file of flows.",
    )


def _ended(rows: Sequence[Row], *_: str) -> tuple[str, str]:
    return (
        f"{_count(rows, 'pair has', 'pairs have')} ended: one of the two was deleted or merged, the other one is left"
        " alone.",
        "Nothing, if that is meant so. To let what is left be linked or made again:",
    )


_SAID: dict[str, Callable[[Sequence[Row], str, str], tuple[str, str]]] = {
    "stopped": _stopped, "unclear": _unclear, "conflict": _conflict, "refused": _refused, "ambiguous": _ambiguous,
    "not_written": _not_written, "ended": _ended,
}  # fmt: skip
ENDED = {
    "deleted_a": "deleted in HubSpot",
    "deleted_b": "deleted in Crmoffice",
    "deleted_both": "deleted on both sides",
    "deleted_a_edited_b": "deleted in HubSpot after it was edited in Crmoffice",
    "deleted_b_edited_a": "deleted in Crmoffice after it was edited in HubSpot",
    "merged": "merged with another one",
    "unlinked": "separated by a person",
}
"""Why a pair has ended."""
CRMOFFICE = {
    "type": "it is no text",
    "too_long": "it is too long",
    "invalid": "it holds characters that are not allowed",
    "invalid_phone": "it is no telephone number",
    "required": "the field may not be empty",
    "empty_record": "a contact needs at least one value",
    "keys_unknown": "Crmoffice did not tell the whole contact, and writing it would empty the rest",
}
"""What Crmoffice's codes mean, in a few words."""


def refusal(system: str, reason: str) -> str:
    """Why a system refused a value, in a few words."""
    codes = reason.split(", ")
    if system == "Crmoffice":
        return " and ".join(CRMOFFICE.get(code, code.replace("_", " ")) for code in codes)
    return " and ".join(advice(code).means for code in codes)


def _key(row: Row) -> str:
    names = {"mobilephone": "mobile number", "lastname": "last name", "firstname": "first name", "phone": "number"}
    return ", ".join(names.get(part, part) for part in str(row["key"]).split(" + "))


def pair(row: Row) -> str:
    """Both contacts by their ids, or the one there is."""
    named = (("HubSpot", row["hubspot_id"]), ("Crmoffice", row["crmoffice_id"]))
    return " and ".join(f"{system} contact {i}" for system, i in named if i)


def _item(row: Row) -> tuple[str, str]:
    kind, who = row["kind"], pair(row)
    of = f"{row['field']} of {who}" if row["field"] else who
    if kind == "stopped":
        return row["error"] or "Why is in the log.", "tl-hubspot crmoffice plan"
    if kind == "conflict":
        return of, f"tl-hubspot crmoffice resolve {row['conflict_id']} --use hubspot"
    if kind == "refused":
        tried = "once" if row["attempts"] == 1 else f"{row['attempts']} times"
        until = f"{row['until']:%Y-%m-%d %H:%M} UTC"
        return f"{of}: tried {tried}, again after {until}", f"tl-hubspot crmoffice release {row['pair']}"
    if kind == "ambiguous":
        return _several(row), _first_link(row)
    if kind == "unclear":
        ids = (row["hubspot_id"] or "HUBSPOT_ID", row["crmoffice_id"] or "CRMOFFICE_ID")
        return f"made from {who}", f"tl-hubspot crmoffice link {' '.join(ids)}"
    if kind == "ended":
        return f"{who}: {ENDED.get(row['reason'], row['reason'])}", f"tl-hubspot crmoffice release {row['pair']}"
    return of, ""


def _several(row: Row) -> str:
    return ", ".join(_listed(row))


def _listed(row: Row) -> Iterator[str]:
    for system, ids in (("HubSpot", row["hubspot_ids"]), ("Crmoffice", row["crmoffice_ids"])):
        if ids:
            yield f"{system} {', '.join(ids)}"


def _first_link(row: Row) -> str:
    if row["hubspot_ids"] and row["crmoffice_ids"]:
        return f"tl-hubspot crmoffice link {row['hubspot_ids'][0]} {row['crmoffice_ids'][0]}"
    return ""
