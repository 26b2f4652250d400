"""Pipelines and stages: provisioned from Teamleader's own, matched by label, or by a table."""

from typing import Any

import polars as pl

from tl_hubspot.planning.mapping import PhaseMap, PipelineMap, PipelineRules
from tl_hubspot.planning.stages import PipelineProvision, Stages, closed_symbol, pipeline_symbol, resolve
from tl_hubspot_tests.planning.builders_plan import reference, stage_rows

PROVISION = PipelineRules()


def lists(*pipelines: tuple[str, str, list[tuple[str, str, str | None]]]) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for position, (id_, name, phases) in enumerate(pipelines):
        rows.append({"kind": "deal_pipeline", "id": id_, "name": name, "position": position})
        for place, (phase_id, phase, probability) in enumerate(phases):
            rows.append(
                {"kind": "deal_phase", "id": phase_id, "name": phase, "parent_id": id_, "position": place,
                 "probability": probability}
            )  # fmt: skip
    return reference(rows)


def stage_of(stages: Stages, pipeline_id: str, phase_id: str) -> str | None:
    found = stages.phases.filter((pl.col("pipeline_id") == pipeline_id) & (pl.col("phase_id") == phase_id))
    return found["hubspot_stage"].item() if len(found) else None


def made(provision: PipelineProvision, pipeline_id: str = "hs") -> list[tuple[Any, ...]]:
    """The stages that HubSpot has after provisioning (ids: the symbol with a prefix)."""
    return [
        (
            provision.pipeline_id or pipeline_id,
            provision.label,
            f"id-{s.symbol}",
            s.label,
            s.is_closed,
            s.probability,
            s.position,
        )
        for s in provision.stages
    ]


def test_a_new_pipeline_is_provisioned_with_its_phases_and_two_closed_stages() -> None:
    stages = resolve(
        PROVISION, lists(("p", "Verkoop", [("a", "Nieuw", "0.2"), ("b", "Offerte", "0.55")])), stage_rows([])
    )
    (provision,) = stages.to_provision
    assert (provision.symbol, provision.label, provision.pipeline_id) == ("teamleader:p", "Verkoop", None)
    assert [(s.symbol, s.label, s.probability, s.is_closed, s.position) for s in provision.stages] == [
        ("teamleader:a", "Nieuw", "0.2", False, 0),
        ("teamleader:b", "Offerte", "0.6", False, 1),
        ("teamleader:p:won", "Won", "1.0", True, 2),
        ("teamleader:p:lost", "Lost", "0.0", True, 3),
    ]
    assert stage_of(stages, "p", "a") == pipeline_symbol("a")
    assert stages.closed.row(0) == ("p", "teamleader:p", "teamleader:p:won", "teamleader:p:lost")
    assert stages.mapped_phases == {("p", "a"), ("p", "b")} and stages.mapped_pipelines == {"p"}
    assert stages.symbols == {}


def test_a_repeat_provisions_nothing_and_knows_every_symbol() -> None:
    teamleader = lists(("p", "Verkoop", [("a", "Nieuw", "0"), ("b", "Offerte", "1"), ("c", "Offerte", None)]))
    first = resolve(PROVISION, teamleader, stage_rows([]))
    again = resolve(PROVISION, teamleader, stage_rows(made(first.to_provision[0])))
    assert again.to_provision == ()
    assert stage_of(again, "p", "c") == "id-teamleader:c"
    assert again.symbols == {
        "teamleader:p": "hs",
        "teamleader:a": "id-teamleader:a",
        "teamleader:b": "id-teamleader:b",
        "teamleader:c": "id-teamleader:c",
        "teamleader:p:won": "id-teamleader:p:won",
        "teamleader:p:lost": "id-teamleader:p:lost",
    }


def test_open_phases_never_get_a_closed_probability_and_labels_are_unique() -> None:
    teamleader = lists(
        ("p", "Verkoop", [("a", "Nieuw", "0"), ("b", "Offerte", "1"), ("c", "offerte ", "x"), ("d", "Won", "1")])
    )
    (provision,) = resolve(PROVISION, teamleader, stage_rows([])).to_provision
    assert [(s.label, s.probability) for s in provision.stages if not s.is_closed] == [
        ("Nieuw", "0.1"), ("Offerte", "0.9"), ("offerte (2)", "0.1"), ("Won (2)", "0.9"),
    ]  # fmt: skip
    assert len({s.label.lower() for s in provision.stages}) == len(provision.stages)


def test_what_has_the_same_name_is_used_and_only_the_rest_is_made() -> None:
    teamleader = lists(("p", " sales ", [("a", "NEW", "0.2"), ("b", "Demo", "0.4")]))
    stages = resolve(PROVISION, teamleader, stage_rows())
    assert stage_of(stages, "p", "a") == "s-new"
    assert stages.closed.row(0) == ("p", "default", "s-won", "s-lost")
    (provision,) = stages.to_provision
    assert provision.pipeline_id == "default" and [s.label for s in provision.stages] == ["Demo"]


def test_an_open_phase_is_not_put_in_a_closed_stage_of_the_same_name() -> None:
    existing = stage_rows(
        [("x", "Sales", "s1", "Gewonnen", True, "1.0", 0), ("x", "Sales", "s2", "Verloren", True, "0.0", 1)]
    )
    teamleader = lists(("p", "Sales", [("a", "Gewonnen", "0.9")]))
    stages = resolve(PROVISION, teamleader, existing)
    assert stage_of(stages, "p", "a") == "teamleader:a"
    assert stages.to_provision[0].stages[0].label == "Gewonnen (2)"
    assert stages.closed.row(0) == ("p", "x", "s1", "s2")


def test_two_teamleader_pipelines_of_one_name_stay_two() -> None:
    stages = resolve(PROVISION, lists(("p", "Sales", []), ("q", "Sales", [])), stage_rows([]))
    assert [p.label for p in stages.to_provision] == ["Sales", "Sales (2)"]


TABLE = PipelineRules(
    "mapped",
    table=(
        PipelineMap(
            "Sales", "default", (PhaseMap("New", "s-new", 7), PhaseMap("f2", "Proposal", 8)), "Won", "s-lost", 5
        ),
    ),
)


def test_a_table_maps_by_id_or_name_on_both_sides() -> None:
    stages = resolve(TABLE, reference(), stage_rows())
    assert stages.problems == () and stages.to_provision == ()
    assert stage_of(stages, "p1", "f1") == "s-new" and stage_of(stages, "p1", "f2") == "s-proposal"
    assert stages.closed.row(0) == ("p1", "default", "s-won", "s-lost")


def test_what_the_table_does_not_name_is_not_mapped() -> None:
    rules = PipelineRules("mapped", table=(PipelineMap("p1", "Sales", (PhaseMap("New", "New"),), "", "s-lost"),))
    stages = resolve(rules, reference(), stage_rows())
    assert stages.mapped_phases == {("p1", "f1")}
    assert stages.mapped_pipelines == frozenset()


def test_a_table_that_does_not_fit_is_a_problem_with_its_line() -> None:
    rules = PipelineRules(
        "mapped",
        table=(
            PipelineMap("Nope", "default", (), "s-won", "s-lost", 3),
            PipelineMap("Sales", "Nope", (), "s-won", "s-lost", 4),
            PipelineMap(
                "Sales", "default", (PhaseMap("Nope", "s-new", 6), PhaseMap("New", "Nope", 7)), "s-won", "x", 5
            ),
        ),
    )
    assert resolve(rules, reference(), stage_rows()).problems == (
        "pipelines, line 3: Teamleader has no single pipeline 'Nope'.",
        "pipelines, line 4: HubSpot has no single pipeline 'Nope'.",
        "pipelines, line 6: Teamleader's pipeline 'Sales' has no single phase 'Nope'.",
        "pipelines, line 7: HubSpot's pipeline 'default' has no single stage 'Nope'.",
        "pipelines, line 5: HubSpot's pipeline 'default' has no single stage 'x' (lost).",
    )


def test_symbols() -> None:
    assert pipeline_symbol("p") == "teamleader:p" and closed_symbol("p", "won") == "teamleader:p:won"
