"""Associations between records: made and taken away in large calls that never touch one record twice at a time.

Which relations should exist is decided in `planning.relations`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any

import polars as pl

from tl_hubspot.hubspot.associations import ARCHIVE_BATCH, WRITE_BATCH, Pair, PairOutcome, associate, disassociate
from tl_hubspot.pushing.change import Change
from tl_hubspot.pushing.ledger import Row
from tl_hubspot.pushing.work import Key, Work, chunked, grouped, to_json

STEP = "relations"
GROUP = 4
"""Calls whose intents, or outcomes, become durable at once."""
Kind = tuple[str, str, str, bool]
KIND = ("action", "from_type", "to_type", "primary")
PAIR = ["from_id", "to_id"]
_PLAN = ["teamleader_id", "reason", "action", "details"]
_DETAILS = pl.Struct(
    dict.fromkeys(("from_type", "from_id", "from_hubspot_id", "to_type", "to_id", "to_hubspot_id"), pl.String())
    | dict.fromkeys(("primary", "exists"), pl.Boolean())
)


@dataclass
class Call:
    """`intents`: a row per pair: `from_id`, `to_id`, `call_id`, `trace_id`."""

    kind: Kind
    pairs: Sequence[Pair]
    intents: pl.DataFrame


def push(work: Work, todo: pl.DataFrame) -> None:
    """Carry out rows `associate` and `disassociate` of a plan. A relation of a record that failed is left to the next
    run."""
    carry_out(work, ready(work, decoded(todo)), todo.height)


def carry_out(work: Work, relations: pl.DataFrame, total: int) -> None:
    """Make and take away relations as `ready` gives them, the last of `total`."""
    done = total - relations.height
    for kind, rows in by_kind(relations):
        for calls in rounds_of(kind, rows, work.gateway.workers):
            for answered in grouped(work.gateway.run(partial(send, work), planned(work, kind, rows, calls)), GROUP):
                done += settle(work, kind, rows, answered)
                work.progress(STEP, done, total)


def by_kind(relations: pl.DataFrame) -> Iterator[tuple[Kind, pl.DataFrame]]:
    """The relations of one kind after the other."""
    kinds: list[Kind] = relations.select(KIND).unique().rows()
    # Primary companies go first: the first company that a contact gets by the default route becomes primary by itself.
    for kind in sorted(kinds, key=lambda k: (k[0], k[1], k[2], not k[3])):
        yield kind, relations.filter(**dict(zip(KIND, kind, strict=True)))


def rounds_of(kind: Kind, rows: pl.DataFrame, lanes: int) -> Iterator[list[Sequence[Pair]]]:
    """The pairs of relations of one kind as `rounds` gives them."""
    size = WRITE_BATCH if kind[0] == "associate" else ARCHIVE_BATCH
    return rounds(rows.select(PAIR).unique(maintain_order=True).rows(), lanes, size)


def plan_of(changes: Sequence[Change]) -> pl.DataFrame:
    """Such changes as rows of a plan."""
    rows = [(c.teamleader_id, c.reason, c.action, to_json(c.details)) for c in changes]
    return pl.DataFrame(rows, schema=dict.fromkeys(_PLAN, pl.String()), orient="row")


def rounds(pairs: Sequence[Pair], lanes: int, size: int) -> Iterator[list[Sequence[Pair]]]:
    """Calls of at most `size` pairs, in rounds: calls of one round share no record, so none locks out another (423)."""
    calls_needed = -(-len(pairs) // size)
    # as few rounds as the lanes allow, and only so many lanes as fill their calls in so many rounds
    needed = -(-calls_needed // max(1, -(-calls_needed // lanes)))
    if needed <= 1:
        yield from ([part] for part in chunked(pairs, size))
        return
    filled: list[list[Pair]] = [[] for _ in range(needed)]
    for group in sorted(_connected(pairs), key=len, reverse=True):
        min(filled, key=len).extend(group)
    for calls in zip_longest(*(chunked(lane, size) for lane in filled)):
        yield [call for call in calls if call]


def _connected(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Pairs grouped so that two groups share no record."""
    # only ids of the first end are joined: two that share a second end belong together
    parent = {from_id: from_id for from_id, _ in pairs}
    met: dict[str, str] = {}

    def root(node: str) -> str:
        while (above := parent[node]) != node:
            parent[node] = node = parent[above]
        return node

    for from_id, to_id in pairs:
        if (other := met.setdefault(to_id, from_id)) != from_id:
            parent[root(from_id)] = root(other)
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(root(pair[0]), []).append(pair)
    return list(groups.values())


def decoded(todo: pl.DataFrame) -> pl.DataFrame:
    """Rows of a plan with their details as columns, `from_type` and `to_type` among them."""
    return todo.select(_PLAN).with_columns(pl.col("details").str.json_decode(_DETAILS)).unnest("details")


def ready(work: Work, rows: pl.DataFrame) -> pl.DataFrame:
    """The `decoded` rows whose records are both in HubSpot: `teamleader_id`, `reason`, `action`, `from_type`,
    `to_type`, `primary`, `exists`, and `from_id`, `to_id` as HubSpot has them now."""
    # an id that was confirmed in this push counts: a merge may have changed it
    confirmed = _by_key(work.ids, "confirmed", pl.String())
    failures = {key: True for key, outcome in work.outcomes.items() if outcome.bucket == "failed"}
    failed = _by_key(failures, "failed", pl.Boolean())
    for end in ("from", "to"):
        key = [f"{end}_type", f"{end}_id"]
        rows = (
            rows.join(confirmed, left_on=key, right_on=["type", "id"], how="left", maintain_order="left")
            .join(failed, left_on=key, right_on=["type", "id"], how="left", maintain_order="left")
            .with_columns(pl.coalesce("confirmed", f"{end}_hubspot_id").alias(f"{end}_hubspot_id"))
            .rename({"failed": f"{end}_failed"})
            .drop("confirmed")
        )
    has_failed = pl.any_horizontal(pl.col("from_failed", "to_failed").fill_null(False))
    has_ids = pl.all_horizontal(pl.col("from_hubspot_id", "to_hubspot_id").fill_null("") != "")
    if (skipped := rows.filter(has_failed | ~has_ids)).height:
        reason = pl.when(has_failed).then(pl.lit("record_failed")).otherwise(pl.lit("record_not_in_hubspot"))
        work.counts["relations_skipped"] += skipped.height
        work.ledger.log(
            _logged(
                work, skipped, action=pl.lit("skip"), reason=reason, level="warning", message="left to the next run"
            )
        )
    is_primary = pl.col("primary").fill_null(False) & (pl.col("action") == "associate")
    return rows.filter(~has_failed & has_ids).select(
        "teamleader_id",
        "reason",
        "action",
        "from_type",
        "to_type",
        is_primary,
        pl.col("exists").fill_null(False),
        from_id="from_hubspot_id",
        to_id="to_hubspot_id",
    )


def _by_key(values: Mapping[Key, Any], name: str, of: pl.DataType) -> pl.DataFrame:
    types = {"type": pl.String(), "id": pl.String(), name: of}
    columns = [[k[0] for k in values], [k[1] for k in values], list(values.values())]
    return pl.DataFrame(dict(zip(types, columns, strict=True)), schema=types)


def planned(work: Work, kind: Kind, rows: pl.DataFrame, calls: Sequence[Sequence[Pair]]) -> Iterator[Call]:
    """Calls whose intents are durable."""
    for part in chunked(calls, GROUP):
        numbered = [Call(kind, pairs, _numbered(pairs, work.new_call())) for pairs in part]
        work.ledger.intend(_intentions(work, kind, rows, pl.concat(call.intents for call in numbered)))
        yield from numbered


def _numbered(pairs: Sequence[Pair], call_id: str) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema=dict.fromkeys(PAIR, pl.String()), orient="row").with_columns(
        call_id=pl.lit(call_id), trace_id=pl.format("{}-{}", pl.lit(call_id), pl.int_range(pl.len()))
    )


def _intentions(work: Work, kind: Kind, rows: pl.DataFrame, numbered: pl.DataFrame) -> pl.DataFrame:
    """Rows for `ledger.intend`; where two relations are one association, in the name of the first."""
    firsts = rows.unique(PAIR, keep="first")
    return numbered.join(firsts, on=PAIR, how="left", maintain_order="left").select(
        "call_id",
        "trace_id",
        "teamleader_id",
        "action",
        run_id=pl.lit(work.settings.run_id),
        entity_type=pl.lit("relation"),
        fields=_image(kind),
        state=pl.lit("intended"),
        intended_at=pl.lit(work.settings.now()),
    )


def _image(kind: Kind) -> pl.Expr:
    """How the journal tells of one association: `association` → before and after, `contact:1>company:2` or null.

    One that `exists` was only made the primary one: it is before and after.
    """
    action, from_type, to_type, _ = kind
    text, none = pl.format(f"{from_type}:{{}}>{to_type}:{{}}", *PAIR), pl.lit(None, pl.String())
    before, after = (pl.when("exists").then(text), text) if action == "associate" else (text, none)
    return pl.struct(pl.struct(after=after, before=before).alias("association")).struct.json_encode()


def relation_row(from_type: str, to_type: str, pair: Pair) -> Row:
    """What names one association in `sync.relations`."""
    return {"from_type": from_type, "from_id": pair[0], "to_type": to_type, "to_id": pair[1]}


def association_of(text: str) -> tuple[str, str, Pair]:
    """(from_type, to_type, pair) of such a text in the journal."""
    (from_type, from_id), (to_type, to_id) = (end.split(":") for end in text.split(">"))
    return from_type, to_type, (from_id, to_id)


def send(work: Work, call: Call) -> PairOutcome:
    """Called in a worker thread."""
    action, from_type, to_type, primary = call.kind
    if action == "associate":
        return associate(work.gateway, from_type, to_type, call.pairs, primary=primary)
    return disassociate(work.gateway, from_type, to_type, call.pairs)


_ANSWER = dict.fromkeys((*PAIR, "failure", "why"), pl.String()) | {
    "http_status": pl.Int32(),
    "correlation_id": pl.String(),
}


def settle(work: Work, kind: Kind, rows: pl.DataFrame, answered: Sequence[tuple[Call, PairOutcome]]) -> int:
    """Remember what became of the pairs; returns how many relations of the plan that were."""
    action, from_type, to_type, _ = kind
    problems = [
        (*pair, problem.message, problem.reason, problem.status or None, problem.correlation_id)
        for _, outcome in answered
        for pair, problem in outcome.items()
        if problem is not None
    ]
    answers = pl.concat(call.intents for call, _ in answered).join(
        pl.DataFrame(problems, schema=_ANSWER, orient="row"), on=PAIR, how="left", maintain_order="left"
    )
    told = rows.join(answers, on=PAIR, maintain_order="left")
    ok = pl.col("failure").is_null()
    done, failed = told.filter(ok).height, told.filter(~ok).height
    work.counts["associated" if action == "associate" else "disassociated"] += done
    if failed:
        work.counts["relations_failed"] += failed
    relations = answers.filter(ok).select("from_id", "to_id", from_type=pl.lit(from_type), to_type=pl.lit(to_type))
    with work.ledger.together():
        work.ledger.settle(
            answers.select(
                "call_id",
                "trace_id",
                hubspot_id=pl.lit(None, pl.String()),
                state=pl.when(ok).then(pl.lit("done")).otherwise(pl.lit("failed")),
                message="failure",
                settled_at=pl.lit(work.settings.now()),
            )
        )
        if action == "associate":
            work.ledger.relation(relations.with_columns(origin=pl.lit("made"), run_id=pl.lit(work.settings.run_id)))
        else:
            work.ledger.forget_relation(relations)
        work.ledger.log(
            _logged(
                work,
                told,
                action=pl.when(ok).then("action").otherwise(pl.lit("fail")),
                reason=pl.coalesce("why", "reason"),
                level=pl.when(ok).then(pl.lit("info")).otherwise(pl.lit("error")),
                message=pl.coalesce("failure", pl.lit(f"{from_type} to {to_type}")),
            )
        )
    return told.height


def _logged(work: Work, rows: pl.DataFrame, **columns: pl.Expr | str) -> pl.DataFrame:
    """Rows for `ledger.log`; a plain text stands for itself."""
    said = {name: pl.lit(value) if isinstance(value, str) else value for name, value in columns.items()}
    known = [name for name in ("http_status", "correlation_id") if name in rows.columns]
    return rows.select(
        "teamleader_id",
        *known,
        timestamp=pl.lit(work.settings.now()),
        run_id=pl.lit(work.settings.run_id),
        entity_type=pl.lit("relation"),
        **said,
    )
