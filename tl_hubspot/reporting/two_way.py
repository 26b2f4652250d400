"""A cycle between HubSpot and Crmoffice in words and as JSON; for `tl-hubspot crmoffice` and the demo.

Only says what `orchestration.steps.two_way` found. Values of people are shown by the plan alone, on the terminal of who
asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tl_hubspot.two_way.flows import OTHER, SYSTEM, Flow
from tl_hubspot.two_way.frames import Plan

_WHY = {
    "first_link": "differed when they were linked",
    "both_changed": "both were edited",
    "lost_edit": "an edit landed while the sync was writing",
    "held": "a person decides",
}
_SHOWN = 20


def plan_json(flow: Flow, plan: Plan) -> dict[str, Any]:
    """One flow of `crmoffice plan --json`."""
    return {
        "flow": flow.name,
        "held": plan.stops.height > 0,
        "digest": plan.digest,
        "limits": plan.stops.drop("digest").to_dicts(),
        "changes": list(_changes(plan, flow)),
        "links": plan.links.select("link_id", "a_id", "b_id", "state", "reason", "how").to_dicts(),
        "conflicts": plan.conflicts.height,
        "held_fields": plan.held.to_dicts(),
        "ambiguous": plan.ambiguous.to_dicts(),
        "unmatched": plan.unmatched.to_dicts(),
    }


def _changes(plan: Plan, flow: Flow) -> Iterator[dict[str, Any]]:
    for row in plan.creations.iter_rows(named=True):
        fields = {name: {"old": None, "new": row[name]} for name in flow.names if row[name]}
        yield _change("create", row["side"], None, row["source_id"], "no_match", fields)
    for row in plan.deletions.iter_rows(named=True):
        yield _change("delete", row["side"], row["id"], None, "deleted_on_the_other_side", {})
    keys = ["side", "id", "source_id"]
    for (side, record, source), rows in plan.writes.partition_by(keys, as_dict=True, maintain_order=True).items():
        fields = {r["field"]: {"old": r["pre_image"], "new": r["value"]} for r in rows.iter_rows(named=True)}
        rules = ", ".join(sorted(set(rows["rule"])))
        yield _change("update", str(side), str(record), str(source), rules, fields)


def _change(
    action: str, side: str, record: str | None, source: str | None, reason: str, fields: dict[str, Any]
) -> dict[str, Any]:
    ids = {side: record, OTHER[side]: source}  # type: ignore[index]
    return {
        "action": action,
        "system": SYSTEM[side].lower(),  # type: ignore[index]
        "hubspot_id": ids["a"],
        "crmoffice_id": ids["b"],
        "reason": reason,
        "fields": fields,
    }


def summary(flow: Flow, status: str, counts: Mapping[str, int], plan: Plan) -> Text:
    """What became of a flow, in sentences."""
    return Text("\n".join(_sentences(flow, status, counts, plan)))


def _sentences(flow: Flow, status: str, counts: Mapping[str, int], plan: Plan) -> Iterator[str]:
    yield f"HubSpot {flow.a} and Crmoffice {flow.b}"
    if status == "off":
        yield "  Switched off in the file of flows."
        return
    if status == "held":
        for stop in plan.stops.iter_rows(named=True):
            where = SYSTEM[stop["side"]]
            yield (
                f"  Stopped, nothing was written: {stop['value']:,} linked records seem deleted in {where},"
                f" {stop['maximum']:,} are allowed. Look whether somebody deleted them in {where}."
            )
        yield f"  To end these links once: tl-hubspot approve {plan.digest}"
        return
    if not flow.fields:
        linked = counts.get("linked", 0)
        yield (
            f"  Links only, no fields: {linked:,} linked."
            if flow.establish == "derived"
            else ("  Links only, no fields and no keys: nothing can be linked until the file of flows names a key.")
        )
        return
    if status == "planned":
        yield (
            f"  To create: {_of(plan.creations, 'a'):,} in HubSpot, {_of(plan.creations, 'b'):,} in Crmoffice."
            f" To update: {_of(plan.writes, 'a'):,} in HubSpot, {_of(plan.writes, 'b'):,} in Crmoffice."
        )
    else:
        yield (
            f"  Created: {counts.get('created_in_hubspot', 0):,} in HubSpot,"
            f" {counts.get('created_in_crmoffice', 0):,} in Crmoffice."
            f" Updated: {counts.get('updated_in_hubspot', 0):,} in HubSpot,"
            f" {counts.get('updated_in_crmoffice', 0):,} in Crmoffice."
        )
    yield (
        f"  Linked: {counts.get('linked', 0):,}, of which new: {counts.get('newly_linked', 0):,}."
        f" Ended: {counts.get('broken', 0):,}."
    )
    for key, words in (
        (
            "conflicts",
            "Both sides differed: {n:,}; `tl-hubspot crmoffice conflicts` shows who won and what waits for you.",
        ),
        ("ambiguous", "Not told apart by the key, nothing was done with them: {n:,}."),
        ("held", "Fields that wait: {n:,}."),
        ("given_up", "Edited while the sync ran, left to the next one: {n:,}."),
        (
            "unguarded",
            "Written in Crmoffice without comparing versions: {n:,}; an edit there in the moment between the last"
            " look and the write would have been overwritten unseen (`etag=1` prevents that).",
        ),
        ("failed", "Refused by a system: {n:,}; the table two_way.holds says why."),
        ("open", "Calls of which nobody knows yet what became: {n:,}; the next sync looks."),
    ):
        if counts.get(key):
            yield f"  {words.format(n=counts[key])}"


def _of(rows: pl.DataFrame, side: str) -> int:
    records = rows.filter(pl.col("side") == side)
    return records["id"].n_unique() if "id" in rows.columns else records.height


def plan_page(flow: Flow, plan: Plan) -> Group:
    """The first changes with old and new values, below the summary."""
    table = Table("System", "Record", "What", "Field", "Old", "New", box=None, pad_edge=False)
    changes = list(_changes(plan, flow))
    for change in changes[:_SHOWN]:
        record = change[f"{change['system']}_id"] or "new"
        for number, (name, values) in enumerate((change["fields"] or {"": {"old": "", "new": ""}}).items()):
            start = (change["system"], record, change["action"]) if number == 0 else ("", "", "")
            table.add_row(*map(Text, (*start, name, values["old"] or "", values["new"] or "")))
    more = f"… and {len(changes) - _SHOWN:,} more; --json lists all." if len(changes) > _SHOWN else ""
    return Group(table, Text(more)) if changes else Group()


def conflict_log(entries: Sequence[Mapping[str, Any]]) -> Text:
    """The conflict log for a person, with whole ids that can be copied; values are shown."""
    if not entries:
        return Text("There was no conflict so far.")
    return Text("\n".join([*map(_conflict, entries), "", _HOW_TO_RESOLVE]))


def _conflict(entry: Mapping[str, Any]) -> str:
    when = entry["detected_at"][:16].replace("T", " ")
    winner = f"{SYSTEM['a' if entry['winner'] == 'hubspot' else 'b']} won" if entry["winner"] else "It waits for you"
    values = (
        f"{entry[f'{side}_value'] or '(empty)'} in {name}"
        for side, name in (("hubspot", SYSTEM["a"]), ("crmoffice", SYSTEM["b"]))
    )
    return (
        f"{entry['conflict_id']}  {when} UTC: {entry['field']} of HubSpot contact {entry['hubspot_id']}"
        f" and Crmoffice contact {entry['crmoffice_id']}\n"
        f"    {', '.join(values)}: {_WHY[entry['kind']]}."
        f" {'Resolved by a person' if entry['state'] == 'resolved' else winner}."
    )


_HOW_TO_RESOLVE = "To put a value right: tl-hubspot crmoffice resolve CONFLICT --use hubspot|crmoffice"
