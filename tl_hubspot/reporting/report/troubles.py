"""What failed, what is held and what is worth a look, each with what to do about it. Pure; words come from `reasons`
and `words`.
"""

from __future__ import annotations

from typing import Any

from tl_hubspot.reporting import runs as told
from tl_hubspot.reporting.links import hubspot_page
from tl_hubspot.reporting.reasons import advice
from tl_hubspot.reporting.report.view import KINDS, Record, Trouble, when
from tl_hubspot.reporting.words import meaning, to_do


def record(row: dict[str, Any], account: dict[str, Any]) -> Record:
    """The record that a row names (`entity_type`, `teamleader_id`, `hubspot_id`, `web_url`)."""
    return Record(
        row["entity_type"],
        row["teamleader_id"],
        row.get("hubspot_id"),
        row.get("web_url"),
        hubspot_page(account, row["entity_type"], row.get("hubspot_id")),
    )


def failures(
    run: dict[str, Any], troubled: list[dict[str, Any]], account: dict[str, Any], timezone: str
) -> tuple[Trouble, ...]:
    """Per reason what failed. `troubled`: rows of the records, as many as are listed."""
    found = []
    for row in run["failures"]:
        means = advice(row["reason"])
        own = _of(troubled, "failed", row)
        said = f"HubSpot says: {row['message']}" if row["message"] else ""
        found.append(
            Trouble(
                what=f"{_records(row)}: {means.means}.",
                do=means.do,
                count=row["records"],
                tone="bad",
                said=said,
                records=tuple(record(r, account) for r in own),
                notes=tuple(_note(r, timezone) for r in own),
            )
        )
    return tuple(found)


def held(run: dict[str, Any], troubled: list[dict[str, Any]], account: dict[str, Any]) -> tuple[Trouble, ...]:
    """Per reason what is held; what a limit holds is told apart from records."""
    found = []
    for row in run["held"]:
        if row["reason"] == "guard":
            continue
        own = _of(troubled, "held", row)
        found.append(
            Trouble(
                what=f"{_records(row)}: {meaning(row['reason'], row['entity_type'])}.",
                do=to_do(row["reason"], row["entity_type"], row["example"]),
                count=row["records"],
                tone="warn",
                records=tuple(record(r, account) for r in own),
                notes=("",) * len(own),
            )
        )
    return tuple(found)


def notices(run: dict[str, Any]) -> tuple[Trouble, ...]:
    """What else a person should look at; nothing when a later run has taken its place."""
    return tuple(
        Trouble(
            what=row["message"],
            do=_example(row["entity_type"], row["example"]),
            count=row["records"],
            tone="",
            said=row["code"],
        )
        for row in run["notices"] or ()
    )


def _example(entity_type: str | None, example: str | None) -> str:
    if entity_type not in KINDS or not example:
        return ""
    return f"`tl-hubspot explain {entity_type} {example}` shows one of them."


def guards(run: dict[str, Any]) -> tuple[str, ...]:
    """The limits that the plan is over, a sentence each."""
    return tuple(limit["sentence"] for limit in run["limits"])


def for_good(run: dict[str, Any]) -> tuple[str, ...]:
    """What nobody can take back."""
    return tuple(told.for_good(run))


def _of(troubled: list[dict[str, Any]], bucket: str, row: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        r
        for r in troubled
        if (r["bucket"], r["entity_type"], r["reason"]) == (bucket, row["entity_type"], row["reason"])
    ]


def _records(row: dict[str, Any]) -> str:
    return f"{row['records']:,} {told.noun(row['entity_type'], row['records'])}"


def _note(row: dict[str, Any], timezone: str) -> str:
    """How long a failed record has been tried, or HubSpot's own number of its answer."""
    if row["since"]:
        tried = "once" if row["attempts"] == 1 else f"{row['attempts']} times"
        return (
            f"tried {tried} since {when(row['since'], timezone)}; not again before"
            f" {when(row['next_attempt_at'], timezone)}"
        )
    return f"for HubSpot's support: {row['correlation_id']}" if row["correlation_id"] else ""
