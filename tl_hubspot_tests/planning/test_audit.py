"""Drift of records, links, opt-outs and marketing status; of fields, what only Teamleader or a policy explains."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from tl_hubspot.planning import audit
from tl_hubspot.planning.mapping import FieldRule
from tl_hubspot_tests.planning import builders_match as b


def kinds(drift: pl.DataFrame) -> list[tuple[str, str]]:
    assert drift.schema == pl.Schema(audit.DRIFT)
    return list(drift.select("kind", "hubspot_id").iter_rows())


def test_records() -> None:
    mirror = b.hubspot_contacts(
        {"id": "1", "emails": []},
        {"id": "2", "emails": [], "archived": True},
        {"id": "9", "emails": [], "merged_ids": ["3"]},
    )
    states = audit.states(["1", "2", "3", "4"], mirror)
    assert states == {"1": "active", "2": "archived", "3": "merged", "4": "deleted"}
    links = b.links("contact", {"T1": "1", "T2": "2", "T3": "3", "T4": "4"})
    drift = audit.records("contact", links, states)
    assert kinds(drift) == [("archived", "2"), ("merged", "3"), ("deleted", "4")]
    undone = audit.with_undone(drift, {("contact", "2", "archived"): ""}, [])
    assert kinds(undone)[0] == ("undone", "2")


def test_links_that_the_sync_made() -> None:
    pair = {"from_type": "contact", "from_id": "1", "to_type": "company"}
    remembered = b.frame(
        "sync.relations",
        [
            pair | {"to_id": "7", "origin": "made"},
            pair | {"to_id": "8", "origin": "made"},
            pair | {"to_id": "9", "origin": "found"},
        ],
    )
    existing = pl.DataFrame([pair | {"to_id": "7"}])
    drift = audit.associations(remembered, existing, b.links("contact", {"T1": "1"}))
    assert drift.select("kind", "teamleader_id", "field", "written").rows() == [("association", "T1", "company", "8")]


def test_opt_outs_and_marketing_status() -> None:
    mirror = b.frame(
        "hubspot.contacts",
        [
            {"id": "1", "email": "a@example.be", "opted_out": False, "marketable": True, "archived": False},
            {"id": "2", "email": "b@example.be", "opted_out": True, "marketable": False, "archived": False},
            {"id": "3", "email": "c@example.be", "opted_out": False, "marketable": False, "archived": True},
        ],
    )
    opt_outs = b.frame(
        "sync.opt_outs", [{"address": "x@example.be", "unsubscribed": [f"{c}@example.be" for c in "abc"]}]
    )
    links = b.links("contact", {"T1": "1"})
    assert kinds(audit.subscribed_again(opt_outs, mirror, links)) == [("subscribed_again", "1")]
    requests = b.frame("sync.marketing_requests", [{"teamleader_id": f"T{i}", "hubspot_id": i} for i in "123"])
    assert kinds(audit.not_marketing(requests, mirror)) == [("not_marketing", "2")]


@pytest.mark.parametrize(
    ("policy", "said", "wrote", "now", "kind"),
    [
        ("always", "a", "a", "a", None),
        ("always", "a", None, "a", None),  # it was there before the first push
        ("always", "a", None, "b", "changed"),
        ("always", "a", "a", None, "emptied"),
        ("always", None, None, "b", None),  # Teamleader has nothing and never had
        ("always", None, "", "b", "filled"),
        ("always", None, "", None, None),
        ("always", None, "a", "b", None),  # emptied in Teamleader when a person had another value here
        ("if_empty", "a", None, "b", None),  # never written
        ("if_empty", "c", "a", "a", None),
        ("if_empty", "a", "a", "b", "changed"),
        ("on_create", "c", "a", "a", None),
    ],
)
def test_what_is_expected_of_a_field(
    policy: Any, said: str | None, wrote: str | None, now: str | None, kind: str | None
) -> None:
    def of(value: str | None) -> str:
        return json.dumps({} if value is None else {"phone": value})

    confirmed = pl.DataFrame(
        {"teamleader_id": ["T1"], "hubspot_id": ["1"], "fields": [of(said)], "written": [of(wrote)]}
    )
    mirror = b.frame("hubspot.deals", [{"id": "1", "archived": False, "properties": json.dumps({"phone": now})}])
    rule = FieldRule("deal", "phone", "phone", policy=policy)
    drift = audit.fields("deal", confirmed, mirror, [rule], {"phone": "string"}, {})
    assert drift["kind"].to_list() == ([kind] if kind else [])


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    ids = [str(n) for n in range(100)]
    some = audit.sample(ids, 5, seed=1)
    assert len(some) == 5 and some == audit.sample(reversed(ids), 5, seed=1) != audit.sample(ids, 5, seed=2)  # type: ignore[arg-type]
    assert audit.sample(ids, 500, seed=1) == audit.sample(ids, None, seed=2) == sorted(ids)
