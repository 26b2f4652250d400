"""Associations between records: one call that makes or takes away some of them, and what becomes of it.

Which relations should exist is decided in `planning.relations`, which go together in `lanes`, and when in `beside`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tl_hubspot.hubspot.associations import ARCHIVE_BATCH, WRITE_BATCH, Pair, PairOutcome, associate, disassociate
from tl_hubspot.pushing.change import Change
from tl_hubspot.pushing.lanes import ASSOCIATE, PAIR, Kind, Load
from tl_hubspot.pushing.ledger import Row
from tl_hubspot.pushing.work import Work, to_json

GROUP = 4
"""Calls whose outcomes become durable at once."""
SIZES = {ASSOCIATE: WRITE_BATCH, "disassociate": ARCHIVE_BATCH}
"""Action → most pairs in a call."""
_PLAN = ["teamleader_id", "reason", "action", "details"]
_DETAILS = pl.Struct(
    dict.fromkeys(("from_type", "from_id", "from_hubspot_id", "to_type", "to_id", "to_hubspot_id"), pl.String())
    | dict.fromkeys(("primary", "exists"), pl.Boolean())
)


@dataclass(frozen=True)
class Call:
    """`intents`: a row per pair: `from_id`, `to_id`, `call_id`, `trace_id`."""

    load: Load
    intents: pl.DataFrame


def plan_of(changes: Sequence[Change]) -> pl.DataFrame:
    """Such changes as rows of a plan."""
    rows = [(c.teamleader_id, c.reason, c.action, to_json(c.details)) for c in changes]
    return pl.DataFrame(rows, schema=dict.fromkeys(_PLAN, pl.String()), orient="row")


def decoded(todo: pl.DataFrame) -> pl.DataFrame:
    """Rows of a plan with their details as columns, `from_type` and `to_type` among them."""
    return todo.select(_PLAN).with_columns(pl.col("details").str.json_decode(_DETAILS)).unnest("details")


def ready(work: Work, rows: pl.DataFrame) -> pl.DataFrame:
    """The `decoded` rows whose records are both in HubSpot: `teamleader_id`, `reason`, `action`, `from_type`,
    `to_type`, `primary`, `exists`, and `from_id`, `to_id` as HubSpot has them now."""
    for end in ("from", "to"):
        keys = rows.select(f"{end}_type", f"{end}_id").rows()
        # an id that was confirmed in this push counts: a merge may have changed it
        confirmed = pl.Series("confirmed", [work.ids.get(key) for key in keys], pl.String())
        failed = pl.Series(f"{end}_failed", [work.failed(key) for key in keys], pl.Boolean())
        rows = rows.with_columns(pl.coalesce(confirmed, f"{end}_hubspot_id").alias(f"{end}_hubspot_id"), failed)
    has_failed = pl.any_horizontal("from_failed", "to_failed")
    has_ids = pl.all_horizontal(pl.col("from_hubspot_id", "to_hubspot_id").fill_null("") != "")
    if (skipped := rows.filter(has_failed | ~has_ids)).height:
        reason = pl.when(has_failed).then(pl.lit("record_failed")).otherwise(pl.lit("record_not_in_hubspot"))
        work.counts["relations_skipped"] += skipped.height
        work.ledger.log(
            _logged(
                work, skipped, action=pl.lit("skip"), reason=reason, level="warning", message="left to the next run"
            )
        )
    is_primary = pl.col("primary").fill_null(False) & (pl.col("action") == ASSOCIATE)
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


def intended(work: Work, load: Load) -> Call:
    """The call, whose intents are durable."""
    call_id = work.new_call()
    call = Call(
        load,
        load.pairs.with_columns(
            call_id=pl.lit(call_id), trace_id=pl.format("{}-{}", pl.lit(call_id), pl.int_range(pl.len()))
        ),
    )
    work.ledger.intend(_intentions(work, call))
    return call


def _intentions(work: Work, call: Call) -> pl.DataFrame:
    """Rows for `ledger.intend`; where two relations are one association, in the name of the first."""
    firsts = call.load.rows.unique(PAIR, keep="first")
    return call.intents.join(firsts, on=PAIR, how="left", maintain_order="left").select(
        "call_id",
        "trace_id",
        "teamleader_id",
        "action",
        run_id=pl.lit(work.settings.run_id),
        entity_type=pl.lit("relation"),
        fields=_image(call.load.kind),
        state=pl.lit("intended"),
        intended_at=pl.lit(work.settings.now()),
    )


def _image(kind: Kind) -> pl.Expr:
    """How the journal tells of one association: `association` → before and after, `contact:1>company:2` or null.

    One that `exists` was only made the primary one: it is before and after.
    """
    action, from_type, to_type, _ = kind
    text, none = pl.format(f"{from_type}:{{}}>{to_type}:{{}}", *PAIR), pl.lit(None, pl.String())
    before, after = (pl.when("exists").then(text), text) if action == ASSOCIATE else (text, none)
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
    action, from_type, to_type, primary = call.load.kind
    pairs = call.load.pairs.rows()
    if action == ASSOCIATE:
        return associate(work.gateway, from_type, to_type, pairs, primary=primary)
    return disassociate(work.gateway, from_type, to_type, pairs)


_ANSWER = dict.fromkeys((*PAIR, "failure", "why"), pl.String()) | {
    "http_status": pl.Int32(),
    "correlation_id": pl.String(),
}


def settle(work: Work, answered: Sequence[tuple[Call, PairOutcome]]) -> None:
    """Remember what became of the pairs."""
    kinds = dict.fromkeys(call.load.kind for call, _ in answered)
    with work.ledger.together():
        for kind in kinds:
            _settle(work, kind, [(call, outcome) for call, outcome in answered if call.load.kind == kind])


def _settle(work: Work, kind: Kind, answered: Sequence[tuple[Call, PairOutcome]]) -> None:
    action, from_type, to_type, _ = kind
    # call by call: one association may be in two of them, in the name of other relations
    by_call = [(call, _answers(call, outcome)) for call, outcome in answered]
    answers = pl.concat(answers for _, answers in by_call)
    told = pl.concat(call.load.rows.join(answers, on=PAIR, maintain_order="left") for call, answers in by_call)
    ok = pl.col("failure").is_null()
    done, failed = told.filter(ok).height, told.filter(~ok).height
    work.counts["associated" if action == ASSOCIATE else "disassociated"] += done
    if failed:
        work.counts["relations_failed"] += failed
    relations = answers.filter(ok).select("from_id", "to_id", from_type=pl.lit(from_type), to_type=pl.lit(to_type))
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
    if action == ASSOCIATE:
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


def _answers(call: Call, outcome: PairOutcome) -> pl.DataFrame:
    """The intents of a call with _ANSWER of each, null where it went well."""
    problems = [
        (*pair, problem.message, problem.reason, problem.status or None, problem.correlation_id)
        for pair, problem in outcome.items()
        if problem is not None
    ]
    answers = pl.DataFrame(problems, schema=_ANSWER, orient="row")
    return call.intents.join(answers, on=PAIR, how="left", maintain_order="left")


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
