"""A small set to begin with: it hangs together, and nothing outside it is changed."""

from __future__ import annotations

import json

import polars as pl
import pytest

from tl_hubspot.planning import subset
from tl_hubspot.planning.plan_inputs import CHANGES, OUTCOMES
from tl_hubspot.planning.subset import Sizes, choose
from tl_hubspot.warehouse.rows import frame_of

CONTACTS = frame_of(
    "eligible.contacts",
    [{"teamleader_id": f"c{n}", "first_company_id": {3: "f1", 4: "f1", 5: "f3"}.get(n)} for n in range(6)],
)
COMPANIES = frame_of("eligible.companies", [{"teamleader_id": f"f{n}"} for n in range(5)])
DEALS = frame_of(
    "eligible.deals",
    [
        {"teamleader_id": "d1", "contact_id": "c5", "company_id": None},
        {"teamleader_id": "d2", "contact_id": "c4", "company_id": "f4"},
    ],
)


@pytest.mark.parametrize(
    ("sizes", "contacts", "companies", "deals"),
    [
        # the deal with a company; its company and that of its contact; its contact, then others of those companies
        ((2, 2, 1), ["c3", "c4"], ["f1", "f4"], ["d2"]),
        ((2, 3, 2), ["c4", "c5"], ["f1", "f3", "f4"], ["d1", "d2"]),
        ((1, 1, 2), ["c4"], ["f4"], ["d2"]),
        ((0, 1, 1), [], ["f4"], []),
        ((9, 9, 9), [f"c{n}" for n in range(6)], [f"f{n}" for n in range(5)], ["d1", "d2"]),
    ],
)
def test_what_is_chosen_belongs_together(
    sizes: tuple[int, int, int], contacts: list[str], companies: list[str], deals: list[str]
) -> None:
    ids = choose(CONTACTS, COMPANIES, DEALS, Sizes(*sizes))
    assert {kind: sorted(own) for kind, own in ids.items()} == {
        "contact": contacts,
        "company": companies,
        "deal": deals,
    }
    shuffled = choose(CONTACTS.reverse(), COMPANIES.reverse(), DEALS.reverse(), Sizes(*sizes))
    assert {kind: sorted(own) for kind, own in shuffled.items()} == {k: sorted(own) for k, own in ids.items()}


@pytest.mark.parametrize("text", ["", "5", "5,5", "5,5,5,5", "5,a,5", "5,-1,5", "5,,5"])
def test_three_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="three numbers"):
        Sizes.of(text)
    assert Sizes.of("50, 10,0") == Sizes(50, 10, 0)


def test_nothing_outside_is_changed_and_every_record_keeps_one_outcome() -> None:
    ids = {"contact": pl.Series(["c1"]), "company": pl.Series(["f1"]), "deal": pl.Series(["d1"], dtype=pl.String)}

    def change(kind: str, id_: str, action: str, **details: str) -> dict[str, str]:
        return {"entity_type": kind, "teamleader_id": id_, "action": action, "details": json.dumps(details)}

    inside = [
        change("contact", "c1", "create"),
        change("contact", "c1", "unsubscribe"),
        change("relation", "c1>f1", "associate", from_type="contact", to_type="company"),
        change("contact", "c2", "hold"),
    ]
    outside = [
        change("contact", "c2", "marketing"),
        change("company", "c1", "update"),
        change("deal", "d2", "mark_deleted"),
        change("relation", "c1>f2", "associate", from_type="contact", to_type="company"),
        change("relation", "c2>f1", "associate", from_type="contact", to_type="company"),
        change("relation", "d1>f1", "associate", from_type="deal", to_type="contact"),
    ]
    left = subset.changes(pl.DataFrame([*outside, *inside], schema=CHANGES), ids)
    assert [(r["teamleader_id"], r["action"]) for r in left.iter_rows(named=True)] == [
        (r["teamleader_id"], r["action"]) for r in inside
    ]
    buckets = ("created", "updated", "unchanged", "skipped", "held")
    rows = [
        {"entity_type": "contact", "teamleader_id": c, "bucket": b, "reason": "r"}
        for c in ("c1", "c2")
        for b in buckets
    ]
    became = subset.outcomes(pl.DataFrame(rows, schema=OUTCOMES), ids)
    expected = [*buckets, "skipped", "skipped", "unchanged", "skipped", "held"]
    assert became["bucket"].to_list() == expected
    assert became["reason"].to_list() == ["r"] * 5 + ["not_in_subset"] * 2 + ["r"] * 3
