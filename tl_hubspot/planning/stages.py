"""Where a deal stands in HubSpot: Teamleader's pipelines and phases → HubSpot's pipelines and stages, won and lost.

Resolved from the mapping's pipeline rules, Teamleader's reference lists and HubSpot's stages; also lists what must be
provisioned. Making it is the HubSpot room's work; which deal takes which stage is `transforms`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from tl_hubspot.planning.mapping import PipelineRules

_PHASES = {
    "pipeline_id": pl.String,
    "phase_id": pl.String,
    "hubspot_stage": pl.String,
}
_CLOSED = {"pipeline_id": pl.String, "hubspot_pipeline": pl.String, "won": pl.String, "lost": pl.String}


@dataclass(frozen=True)
class StageProvision:
    """A stage to make. `symbol` stands for its id until it exists; `probability` is text from 0.0 to 1.0."""

    symbol: str
    label: str
    probability: str
    is_closed: bool
    position: int


@dataclass(frozen=True)
class PipelineProvision:
    """Stages to make in a pipeline; `pipeline_id` is None when the pipeline itself must be made (with `label`)."""

    symbol: str
    label: str
    pipeline_id: str | None
    stages: tuple[StageProvision, ...]


@dataclass(frozen=True)
class Stages:
    """The resolution.

    `phases`: pipeline_id, phase_id (Teamleader), hubspot_stage; `closed`: pipeline_id, hubspot_pipeline, won, lost.
    Values are HubSpot ids, or symbols `teamleader:…` for what is still to be provisioned. `symbols`: symbol → HubSpot
    id of everything that exists. `problems`: sentences about a mapping table that does not fit.
    """

    phases: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_PHASES))
    closed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_CLOSED))
    symbols: dict[str, str] = field(default_factory=dict)
    to_provision: tuple[PipelineProvision, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def mapped_phases(self) -> frozenset[tuple[str, str]]:
        """(pipeline_id, phase_id) of Teamleader that have a stage: what the deal rules need."""
        return frozenset(self.phases.select("pipeline_id", "phase_id").iter_rows())

    @property
    def mapped_pipelines(self) -> frozenset[str]:
        """Teamleader pipelines that have both closed stages: what the deal rules need."""
        return frozenset(self.closed.drop_nulls(["won", "lost"])["pipeline_id"].to_list())


def pipeline_symbol(pipeline_id: str) -> str:
    """Stands for the HubSpot pipeline of a Teamleader pipeline (the same form serves phases)."""
    return f"teamleader:{pipeline_id}"


def closed_symbol(pipeline_id: str, outcome: Literal["won", "lost"]) -> str:
    """Stands for the closed stage of a Teamleader pipeline."""
    return f"teamleader:{pipeline_id}:{outcome}"


def resolve(rules: PipelineRules, reference: pl.DataFrame, stages: pl.DataFrame) -> Stages:
    """Resolve every Teamleader pipeline and phase.

    `reference`: `teamleader.reference` (kinds deal_pipeline, deal_phase); `stages`: `hubspot.pipeline_stages`.
    """
    return _mapped(rules, reference, stages) if rules.mode == "mapped" else _provisioned(rules, reference, stages)


# --- provision: Teamleader's pipelines under their own names ----------------------------------------------------------


def _provisioned(rules: PipelineRules, reference: pl.DataFrame, stages: pl.DataFrame) -> Stages:
    phases: list[tuple[str, str, str]] = []
    closed: list[tuple[str, str, str, str]] = []
    symbols: dict[str, str] = {}
    to_provision: list[PipelineProvision] = []
    labels = {_key(label): id_ for id_, label in _pipelines(stages)}
    used: set[str] = set()
    for pipeline_id, name in _teamleader(reference, "deal_pipeline"):
        label = _free(name or pipeline_id, used)
        existing = labels.get(_key(label))
        if existing:
            symbols[pipeline_symbol(pipeline_id)] = existing
        own = _Pipeline(
            rules, pipeline_id, stages.filter(pl.col("pipeline_id").eq_missing(pl.lit(existing, pl.String)))
        )
        for phase_id, phase_name, probability in _phases(reference, pipeline_id):
            phases.append((pipeline_id, phase_id, own.phase(phase_id, phase_name or phase_id, probability)))
        won, lost = own.closed("won", rules.won_label, "1.0"), own.closed("lost", rules.lost_label, "0.0")
        closed.append((pipeline_id, existing or pipeline_symbol(pipeline_id), won, lost))
        symbols |= own.found
        if own.missing or not existing:
            symbol = pipeline_symbol(pipeline_id)
            to_provision.append(PipelineProvision(symbol, label, existing, tuple(own.missing)))
    return Stages(
        pl.DataFrame(phases, schema=_PHASES, orient="row"),
        pl.DataFrame(closed, schema=_CLOSED, orient="row"),
        symbols,
        tuple(to_provision),
    )


class _Pipeline:
    """Matches the stages of one pipeline by label; what is not there is collected in `missing`.

    HubSpot wants labels unique within a pipeline, and an open phase must never land in a closed stage; so a label that
    is taken gets a number.
    """

    def __init__(self, rules: PipelineRules, pipeline_id: str, stages: pl.DataFrame) -> None:
        self.pipeline_id = pipeline_id
        rows = stages.sort("position", "stage_id").select("stage_id", "stage_label", "is_closed", "probability").rows()
        self.open: dict[str, str] = {_key(label): id_ for id_, label, is_closed, _ in reversed(rows) if not is_closed}
        self.shut: list[tuple[str, str, bool]] = [
            (id_, _key(label), _is_won(chance)) for id_, label, is_closed, chance in rows if is_closed
        ]
        self.taken = {_key(rules.won_label), _key(rules.lost_label)} | {label for _, label, _ in self.shut}
        self.found: dict[str, str] = {}
        self.missing: list[StageProvision] = []
        self.count = len(rows)

    def phase(self, phase_id: str, name: str, probability: str | None) -> str:
        symbol = pipeline_symbol(phase_id)
        label = _free(name, self.taken)
        if existing := self.open.get(_key(label)):
            self.found[symbol] = existing
            return existing
        self._miss(symbol, label, _open_probability(probability), False)
        return symbol

    def closed(self, outcome: Literal["won", "lost"], label: str, probability: str) -> str:
        symbol = closed_symbol(self.pipeline_id, outcome)
        own = [(id_, name) for id_, name, is_won in self.shut if is_won == (outcome == "won")]
        if own:
            existing = next((id_ for id_, name in own if name == _key(label)), own[0][0])
            self.found[symbol] = existing
            return existing
        taken = {_key(s.label) for s in self.missing} | set(self.open) | {name for _, name, _ in self.shut}
        self._miss(symbol, _free(label, taken), probability, True)
        return symbol

    def _miss(self, symbol: str, label: str, probability: str, is_closed: bool) -> None:
        self.missing.append(StageProvision(symbol, label, probability, is_closed, self.count + len(self.missing)))


def _open_probability(text: str | None) -> str:
    """HubSpot takes steps of 0.1; 0 and 1 would make the stage a closed one."""
    try:
        value = float(text or 0)
    except ValueError:
        value = 0.0
    return f"{min(max(round(value, 1), 0.1), 0.9):.1f}"


def _is_won(probability: str | None) -> bool:
    try:
        return float(probability or 0) >= 1
    except ValueError:
        return False


def _free(name: str, taken: set[str]) -> str:
    """The name, numbered when it is taken; takes it."""
    label, number = name.strip(), 1
    while _key(label) in taken:
        number += 1
        label = f"{name.strip()} ({number})"
    taken.add(_key(label))
    return label


# --- mapped: by the table of the mapping file -------------------------------------------------------------------------


def _mapped(rules: PipelineRules, reference: pl.DataFrame, stages: pl.DataFrame) -> Stages:
    problems: list[str] = []
    phases: list[tuple[str, str, str]] = []
    closed: list[tuple[str, str, str | None, str | None]] = []
    for row in rules.table:
        where = f"pipelines, line {row.line}"
        pipeline_id = _find(row.pipeline, _teamleader(reference, "deal_pipeline"))
        hubspot_id = _find(row.hubspot_pipeline, _pipelines(stages))
        if not pipeline_id:
            problems.append(f"{where}: Teamleader has no single pipeline '{row.pipeline}'.")
        if not hubspot_id:
            problems.append(f"{where}: HubSpot has no single pipeline '{row.hubspot_pipeline}'.")
        if not pipeline_id or not hubspot_id:
            continue
        own = list(stages.filter(pl.col("pipeline_id") == hubspot_id).select("stage_id", "stage_label").iter_rows())
        names = [(id_, name) for id_, name, _ in _phases(reference, pipeline_id)]
        for phase in row.phases:
            phase_id, stage = _find(phase.phase, names), _find(phase.stage, own)
            if not phase_id:
                problems.append(
                    f"pipelines, line {phase.line}: Teamleader's pipeline '{row.pipeline}' has no single phase"
                    f" '{phase.phase}'."
                )
            if not stage:
                problems.append(
                    f"pipelines, line {phase.line}: HubSpot's pipeline '{row.hubspot_pipeline}' has no single stage"
                    f" '{phase.stage}'."
                )
            if phase_id and stage:
                phases.append((pipeline_id, phase_id, stage))
        won, lost = _find(row.won, own), _find(row.lost, own)
        for name, wanted, found in (("won", row.won, won), ("lost", row.lost, lost)):
            if wanted and not found:
                problems.append(
                    f"{where}: HubSpot's pipeline '{row.hubspot_pipeline}' has no single stage '{wanted}' ({name})."
                )
        closed.append((pipeline_id, hubspot_id, won, lost))
    return Stages(
        pl.DataFrame(phases, schema=_PHASES, orient="row").unique(["pipeline_id", "phase_id"], keep="first"),
        pl.DataFrame(closed, schema=_CLOSED, orient="row").unique("pipeline_id", keep="first"),
        problems=tuple(problems),
    )


def _find(wanted: str, rows: Iterable[tuple[str, str | None]]) -> str | None:
    """Id of the row with that id, else of the only one with that name."""
    rows = list(rows)
    if any(id_ == wanted for id_, _ in rows):
        return wanted
    found = [id_ for id_, name in rows if wanted.strip() and _key(name) == _key(wanted)]
    return found[0] if len(found) == 1 else None


# --- reading the lists ------------------------------------------------------------------------------------------------


def _teamleader(reference: pl.DataFrame, kind: str) -> list[tuple[str, str | None]]:
    own = reference.filter(pl.col("kind") == kind).sort("position", "id", nulls_last=True)
    return list(own.select("id", "name").iter_rows())


def _phases(reference: pl.DataFrame, pipeline_id: str) -> list[tuple[str, str | None, str | None]]:
    own = reference.filter((pl.col("kind") == "deal_phase") & (pl.col("parent_id") == pipeline_id))
    return list(own.sort("position", "id", nulls_last=True).select("id", "name", "probability").iter_rows())


def _pipelines(stages: pl.DataFrame) -> list[tuple[str, str | None]]:
    return sorted(stages.select("pipeline_id", "pipeline_label").unique().iter_rows(), key=str, reverse=True)


def _key(label: str | None) -> str:
    return " ".join((label or "").casefold().split())
