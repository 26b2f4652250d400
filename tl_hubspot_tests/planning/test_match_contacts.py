"""Behaviour §3.4, sentence by sentence: who is which HubSpot contact, and what happens to the address."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tl_hubspot.planning.match_contacts import CONTACT_MATCHES, match
from tl_hubspot.planning.match_frames import Matching
from tl_hubspot_tests.planning import builders_match as b

A, B, C, D = "a@example.be", "b@example.be", "c@example.be", "d@example.be"


def run(
    contacts: dict[str, str],
    hubspot: list[b.Row],
    *,
    linked: dict[str, str] | None = None,
    pushed: dict[str, str | None] | None = None,
    released: tuple[str, ...] = (),
    skipped: list[b.Row] | None = None,
    wrote: dict[str, str] | None = None,
    added: dict[str, str] | None = None,
) -> Matching:
    """Match `contacts` (teamleader_id → address); `skipped` are decisions of contacts that are not eligible."""
    decisions = [{"teamleader_id": i, "address": a} for i, a in contacts.items()] + (skipped or [])
    return match(
        b.eligible_contacts(*contacts.items()),
        b.contact_decisions(*decisions),
        b.hubspot_contacts(*hubspot),
        b.links("contact", linked),
        b.pushed(pushed, wrote, added),
        b.releases("contact", *released),
    )


def one(matching: Matching, contact: str = "T1") -> b.Row:
    return b.by_id(matching)[contact]


def pick(row: b.Row, *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def found(row: b.Row) -> tuple[Any, ...]:
    return pick(row, "outcome", "hubspot_id", "matched_by", "reason")


def email(row: b.Row) -> tuple[Any, ...]:
    return pick(row, "email_action", "email_new", "email_old", "email_keep_old", "email_blocked_by")


class TestOrderOfMatching:
    """1. the link table; 2. teamleader_id; 3. the address as primary or secondary address."""

    def test_link_comes_before_everything(self) -> None:
        result = run({"T1": A}, [{"id": "1", "emails": [B]}, {"id": "2", "emails": [A]}], linked={"T1": "1"})
        assert found(one(result)) == ("update", "1", "link", None)

    def test_link_comes_before_a_record_that_carries_the_id(self) -> None:
        result = run(
            {"T1": A},
            [{"id": "1", "emails": [A]}, {"id": "2", "teamleader_id": "T1", "emails": [B]}],
            linked={"T1": "1"},
        )
        assert found(one(result)) == ("update", "1", "link", None)

    def test_teamleader_id_comes_before_the_address(self) -> None:
        result = run({"T1": A}, [{"id": "1", "teamleader_id": "T1", "emails": [B]}, {"id": "2", "emails": [A]}])
        assert found(one(result)) == ("update", "1", "teamleader_id", None)

    def test_primary_address(self) -> None:
        result = run({"T1": A}, [{"id": "1", "emails": [A]}])
        assert found(one(result)) == ("update", "1", "email", None)
        assert email(one(result)) == ("none", None, None, False, None)

    def test_secondary_address_is_found_and_the_primary_stays(self) -> None:
        result = run({"T1": A}, [{"id": "1", "emails": [B, A]}])
        assert found(one(result)) == ("update", "1", "secondary_email", None)
        assert email(one(result)) == ("none", None, None, False, None)

    def test_address_is_compared_in_its_normal_form(self) -> None:
        result = run({"T1": "a@xn--bcher-kva.example"}, [{"id": "1", "emails": [" A@Bücher.example "]}])
        assert found(one(result)) == ("update", "1", "email", None)

    def test_not_found_is_created_with_its_address(self) -> None:
        result = run({"T1": A}, [{"id": "1", "emails": [B]}])
        assert found(one(result)) == ("create", None, None, None)
        assert email(one(result)) == ("set", A, None, False, None)

    def test_links_of_other_entities_do_not_count(self) -> None:
        matching = match(
            b.eligible_contacts(("T1", A)),
            b.contact_decisions({"teamleader_id": "T1", "address": A}),
            b.hubspot_contacts({"id": "1", "emails": [B]}),
            b.links("company", {"T1": "1"}),
            b.pushed(),
            b.releases("company", "T1"),
        )
        assert one(matching)["outcome"] == "create"


class TestClaims:
    """One HubSpot contact is claimed once, in the order above; a second claimant is held."""

    def test_primary_before_secondary(self) -> None:
        result = b.by_id(run({"T1": B, "T2": A}, [{"id": "1", "emails": [A, B]}]))
        assert found(result["T2"]) == ("update", "1", "email", None)
        assert found(result["T1"]) == ("held", "1", "secondary_email", "claimed_by_other")

    def test_two_secondary_addresses_go_to_the_smaller_id(self) -> None:
        result = b.by_id(run({"T2": A, "T1": B}, [{"id": "1", "emails": [C, A, B]}]))
        assert found(result["T1"])[0] == "update"
        assert found(result["T2"]) == ("held", "1", "secondary_email", "claimed_by_other")

    def test_link_before_address(self) -> None:
        result = b.by_id(run({"T1": A, "T2": B}, [{"id": "1", "emails": [B]}], linked={"T1": "1"}))
        assert found(result["T1"]) == ("update", "1", "link", None)
        assert found(result["T2"]) == ("held", "1", "email", "claimed_by_other")

    def test_link_before_teamleader_id(self) -> None:
        result = b.by_id(
            run({"T1": A, "T2": B}, [{"id": "1", "emails": [A], "teamleader_id": "T2"}], linked={"T1": "1"})
        )
        assert found(result["T1"]) == ("update", "1", "link", None)
        assert found(result["T2"]) == ("held", "1", "teamleader_id", "claimed_by_other")

    def test_link_of_a_skipped_contact_comes_before_teamleader_id(self) -> None:
        result = run(
            {"T2": B},
            [{"id": "1", "emails": [A], "teamleader_id": "T2"}],
            linked={"T1": "1"},
            skipped=[{"teamleader_id": "T1", "address": A, "status": "skip", "reason": "too_old"}],
        )
        assert found(one(result, "T2")) == ("held", "1", "teamleader_id", "claimed_by_other")

    def test_teamleader_id_before_address(self) -> None:
        result = b.by_id(run({"T1": A, "T2": B}, [{"id": "1", "emails": [A], "teamleader_id": "T2"}]))
        assert found(result["T2"]) == ("update", "1", "teamleader_id", None)
        assert found(result["T1"]) == ("held", "1", "email", "claimed_by_other")

    def test_two_links_to_one_survivor_go_to_the_one_it_carries(self) -> None:
        hubspot: list[b.Row] = [{"id": "2", "emails": [A, B], "teamleader_id": "T2", "merged_ids": ["1"]}]
        result = b.by_id(run({"T1": A, "T2": B}, hubspot, linked={"T1": "1", "T2": "2"}))
        assert found(result["T2"]) == ("update", "2", "link", None)
        assert found(result["T1"]) == ("held", "2", "link", "claimed_by_other")

    def test_two_links_to_one_survivor_without_an_id_go_to_the_direct_one(self) -> None:
        hubspot: list[b.Row] = [{"id": "2", "emails": [A, B], "merged_ids": ["1"]}]
        result = b.by_id(run({"T1": A, "T2": B}, hubspot, linked={"T1": "1", "T2": "2"}))
        assert result["T2"]["outcome"] == "update"
        assert found(result["T1"]) == ("held", "2", "link", "claimed_by_other")


class TestInterruptedExchange:
    """A run that was killed between the new address and the old one's place; behaviour §10."""

    def both(self, hubspot: list[str], *, others: dict[str, str] | None = None, **by_us: dict[str, str]) -> b.Row:
        contacts = {"T1": B, **(others or {})}
        records: list[b.Row] = [{"id": "1", "emails": hubspot}]
        return b.by_id(run(contacts, records, linked={"T1": "1"}, pushed={"T1": A}, **by_us))["T1"]

    def test_the_old_primary_comes_back_as_a_secondary_one(self) -> None:
        assert email(self.both([B], wrote={"T1": B})) == ("add_secondary", A, None, False, None)

    def test_it_does_not_when_it_is_there_or_somebody_else_has_it_or_a_person_changed_the_primary(self) -> None:
        nothing = ("none", None, None, False, None)
        assert email(self.both([B, A], wrote={"T1": B})) == nothing
        assert email(self.both([B], wrote={"T1": B}, others={"T2": A})) == nothing
        assert email(self.both([B], wrote={"T1": A})) == nothing
        assert email(self.both([B])) == nothing

    def test_a_secondary_one_still_gives_way_to_the_one_that_the_sync_added(self) -> None:
        assert email(self.both([C, A, B], added={"T1": B})) == ("replace_secondary", B, A, False, None)
        assert email(self.both([C, A, B])) == ("none", None, None, False, None)


class TestAddressChangesFirst:
    """Addresses are matched after the address changes of linked contacts."""

    def test_given_up_address_goes_to_a_new_record(self) -> None:
        result = b.by_id(run({"T1": B, "T2": A}, [{"id": "1", "emails": [A]}], linked={"T1": "1"}, pushed={"T1": A}))
        assert found(result["T1"]) == ("update", "1", "link", None)
        assert email(result["T1"]) == ("replace_primary", B, A, False, None)
        assert found(result["T2"]) == ("create", None, None, None)
        assert email(result["T2"]) == ("set", A, None, False, None)

    def test_given_up_secondary_goes_to_a_new_record(self) -> None:
        result = b.by_id(run({"T1": B, "T2": A}, [{"id": "1", "emails": [C, A]}], linked={"T1": "1"}, pushed={"T1": A}))
        assert email(result["T1"]) == ("replace_secondary", B, A, False, None)
        assert found(result["T2"]) == ("create", None, None, None)

    def test_record_linked_to_another_is_no_match_while_the_address_stays(self) -> None:
        # never pushed: nobody knows that A was Teamleader's, so it stays where it is
        result = b.by_id(run({"T1": B, "T2": A}, [{"id": "1", "emails": [A]}], linked={"T1": "1"}))
        assert email(result["T1"]) == ("add_secondary", B, None, False, None)
        assert found(result["T2"]) == ("held", "1", "email", "claimed_by_other")

    def test_skipped_linked_contact_keeps_its_record_and_address(self) -> None:
        result = run(
            {"T2": A},
            [{"id": "1", "emails": [A]}],
            linked={"T1": "1"},
            pushed={"T1": A},
            skipped=[{"teamleader_id": "T1", "address": B, "status": "skip", "reason": "too_old"}],
        )
        assert found(one(result, "T2")) == ("held", "1", "email", "claimed_by_other")

    def test_skipped_contact_without_a_link_occupies_nothing(self) -> None:
        result = run(
            {"T2": A},
            [{"id": "1", "emails": [A]}],
            skipped=[{"teamleader_id": "T1", "address": A, "status": "skip", "reason": "too_old"}],
        )
        assert found(one(result, "T2")) == ("update", "1", "email", None)

    def test_an_address_that_a_linked_contact_gives_up_can_be_taken_by_another_linked_one(self) -> None:
        result = b.by_id(
            run(
                {"T1": C, "T2": A},
                [{"id": "1", "emails": [A]}, {"id": "2", "emails": [B]}],
                linked={"T1": "1", "T2": "2"},
                pushed={"T1": A, "T2": B},
            )
        )
        assert email(result["T1"]) == ("replace_primary", C, A, False, None)
        assert email(result["T2"]) == ("replace_primary", A, B, True, None)

    def test_a_chain_of_changes(self) -> None:
        ids = [f"T{i}" for i in range(1, 6)]
        old = {t: f"m{i}@example.be" for i, t in enumerate(ids)}
        new = {t: f"m{i + 1}@example.be" for i, t in enumerate(ids)}
        hubspot: list[b.Row] = [{"id": str(i), "emails": [old[t]]} for i, t in enumerate(ids)]
        result = b.by_id(run(new, hubspot, linked={t: str(i) for i, t in enumerate(ids)}, pushed=dict(old)))
        assert {row["email_action"] for row in result.values()} == {"replace_primary"}
        assert [result[t]["email_keep_old"] for t in ids] == [True, False, False, False, False]

    def test_a_swap_goes_through(self) -> None:
        result = run(
            {"T1": B, "T2": A},
            [{"id": "1", "emails": [A]}, {"id": "2", "emails": [B]}],
            linked={"T1": "1", "T2": "2"},
            pushed={"T1": A, "T2": B},
        )
        rows = b.by_id(result)
        assert email(rows["T1"]) == ("replace_primary", B, A, False, None)
        assert email(rows["T2"]) == ("replace_primary", A, B, False, None)
        assert {row["outcome"] for row in rows.values()} == {"update"}

    def test_who_stands_beside_a_swap_goes_through_too(self) -> None:
        rows = b.by_id(
            run(
                {"T1": B, "T2": A, "T3": C},
                [{"id": "1", "emails": [A]}, {"id": "2", "emails": [B]}, {"id": "3", "emails": [D]}],
                linked={"T1": "1", "T2": "2", "T3": "3"},
                pushed={"T1": A, "T2": B, "T3": D},
            )
        )
        assert email(rows["T3"]) == ("replace_primary", C, D, True, None)
        assert rows["T1"]["email_blocked_by"] is None


class TestAddressIsKept:
    """The Teamleader address is always on the HubSpot contact after the sync."""

    @pytest.mark.parametrize(
        ("hubspot", "pushed", "action"),
        [
            pytest.param([A], None, ("none", None, None, False, None), id="there as primary"),
            pytest.param([B, A], None, ("none", None, None, False, None), id="there as secondary: the primary stays"),
            pytest.param([B], None, ("add_secondary", A, None, False, None), id="first run, another primary: added"),
            pytest.param([B], A, ("add_secondary", A, None, False, None), id="a primary that a person chose stays"),
            pytest.param([B, A], A, ("none", None, None, False, None), id="a person changed the order: both stay"),
            pytest.param([B], B, ("replace_primary", A, B, True, None), id="changed: primary follows, old one kept"),
            pytest.param([B, A], B, ("replace_primary", A, B, True, None), id="changed to its own secondary: it leads"),
            pytest.param([C, B], B, ("replace_secondary", A, B, False, None), id="changed: only the secondary goes"),
            pytest.param([C], B, ("add_secondary", A, None, False, None), id="changed, old one gone, person's primary"),
            pytest.param([A, B], B, ("none", None, None, False, None), id="changed to the primary: nothing to do"),
            pytest.param([], None, ("set", A, None, False, None), id="no address at all: set"),
            pytest.param([], A, ("set", A, None, False, None), id="a person emptied it: it is kept all the same"),
        ],
    )
    def test_linked(self, hubspot: list[str], pushed: str | None, action: tuple[Any, ...]) -> None:
        result = run(
            {"T1": A}, [{"id": "1", "emails": hubspot}], linked={"T1": "1"}, pushed={"T1": pushed} if pushed else None
        )
        assert email(one(result)) == action

    def test_carrying_the_id_is_matched_by_id_too(self) -> None:
        result = run({"T1": A}, [{"id": "1", "teamleader_id": "T1", "emails": [B]}])
        assert email(one(result)) == ("add_secondary", A, None, False, None)

    @pytest.mark.parametrize("status", ["skip", "marketing"])
    def test_old_primary_is_not_kept_when_any_other_contact_has_it(self, status: str) -> None:
        result = run(
            {"T1": A},
            [{"id": "1", "emails": [B]}],
            linked={"T1": "1"},
            pushed={"T1": B},
            skipped=[{"teamleader_id": "T2", "address": B, "status": status}],
        )
        assert email(one(result)) == ("replace_primary", A, B, False, None)

    def test_old_secondary_goes_when_another_contact_has_it_now(self) -> None:
        rows = b.by_id(run({"T1": A, "T2": B}, [{"id": "1", "emails": [A, B]}], linked={"T1": "1"}, pushed={"T1": B}))
        assert email(rows["T1"]) == ("replace_secondary", A, B, False, None)
        assert rows["T2"]["outcome"] == "create"

    @pytest.mark.parametrize("pushed", ["x@xn--bcher-kva.example", "X@bücher.example"])
    def test_old_address_is_compared_in_its_normal_form_and_named_as_hubspot_has_it(self, pushed: str) -> None:
        result = run(
            {"T1": A},
            [{"id": "1", "emails": ["x@bücher.example"]}],
            linked={"T1": "1"},
            pushed={"T1": pushed},
        )
        assert email(one(result)) == ("replace_primary", A, "x@bücher.example", True, None)


class TestEmailTaken:
    """The new address belongs to another HubSpot contact: left alone, the rest updated, the pair reported."""

    @pytest.mark.parametrize("emails", [[A], [C, A]], ids=["as primary", "as secondary"])
    @pytest.mark.parametrize("pushed", [None, B], ids=["first run", "changed"])
    def test_taken(self, emails: list[str], pushed: str | None) -> None:
        result = run(
            {"T1": A},
            [{"id": "1", "emails": [B]}, {"id": "2", "emails": emails}],
            linked={"T1": "1"},
            pushed={"T1": pushed} if pushed else None,
        )
        assert found(one(result)) == ("update", "1", "link", None)
        assert email(one(result)) == ("none", None, None, False, "2")

    def test_an_archived_contact_takes_no_address(self) -> None:
        result = run(
            {"T1": A},
            [{"id": "1", "emails": [B]}, {"id": "2", "emails": [A], "archived": True}],
            linked={"T1": "1"},
            pushed={"T1": B},
        )
        assert email(one(result)) == ("replace_primary", A, B, True, None)

    def test_a_blocked_contact_gives_nothing_up(self) -> None:
        rows = b.by_id(
            run(
                {"T1": C, "T2": A},
                [{"id": "1", "emails": [A]}, {"id": "3", "emails": [C]}],
                linked={"T1": "1"},
                pushed={"T1": A},
            )
        )
        assert rows["T1"]["email_blocked_by"] == "3"
        assert found(rows["T2"]) == ("held", "1", "email", "claimed_by_other")


class TestMerged:
    """HubSpot merged the linked record into another: follow to the surviving id."""

    @pytest.mark.parametrize(
        "hubspot",
        [
            pytest.param([{"id": "9", "emails": [A], "merged_ids": ["1"]}], id="one step"),
            pytest.param([{"id": "9", "emails": [A], "merged_ids": ["1", "5"]}], id="several"),
            pytest.param(
                [
                    {"id": "9", "emails": [A], "merged_ids": ["5"]},
                    {"id": "5", "archived": True, "merged_ids": ["1"]},
                ],
                id="chain",
            ),
            pytest.param(
                [{"id": "9", "emails": [A], "merged_ids": ["1"]}, {"id": "1", "archived": True}], id="old one archived"
            ),
        ],
    )
    def test_followed(self, hubspot: list[b.Row]) -> None:
        assert found(one(run({"T1": A}, hubspot, linked={"T1": "1"}))) == ("update", "9", "link", None)

    def test_an_active_record_is_not_followed_away(self) -> None:
        hubspot: list[b.Row] = [{"id": "1", "emails": [A]}, {"id": "9", "emails": [B], "merged_ids": ["1"]}]
        assert found(one(run({"T1": A}, hubspot, linked={"T1": "1"})))[1] == "1"

    def test_a_ring_of_merges_ends(self) -> None:
        hubspot: list[b.Row] = [
            {"id": "1", "archived": True, "merged_ids": ["2"]},
            {"id": "2", "archived": True, "merged_ids": ["1"]},
        ]
        assert one(run({"T1": A}, hubspot, linked={"T1": "1"}))["reason"] == "deleted_in_hubspot"

    def test_a_survivor_that_was_archived_counts_as_deleted(self) -> None:
        hubspot: list[b.Row] = [{"id": "9", "archived": True, "merged_ids": ["1"]}]
        assert found(one(run({"T1": A}, hubspot, linked={"T1": "1"}))) == ("held", "9", "link", "deleted_in_hubspot")


class TestDeletedInHubSpot:
    """Linked or carrying the id, and archived or deleted by a person: held until released."""

    CASES = (
        pytest.param([{"id": "1", "archived": True, "emails": [A]}], {"T1": "1"}, id="linked, archived"),
        pytest.param([{"id": "1", "archived": True, "teamleader_id": "T1"}], None, id="carries the id, archived"),
        pytest.param([], {"T1": "1"}, id="linked, gone for good"),
        pytest.param(
            [{"id": "1", "archived": True}, {"id": "2", "emails": [A]}], {"T1": "1"}, id="another one has the address"
        ),
    )

    @pytest.mark.parametrize(("hubspot", "linked"), CASES)
    def test_held(self, hubspot: list[b.Row], linked: dict[str, str] | None) -> None:
        row = one(run({"T1": A}, hubspot, linked=linked, pushed={"T1": A}))
        assert pick(row, "outcome", "hubspot_id", "reason") == ("held", "1", "deleted_in_hubspot")
        assert email(row) == ("none", None, None, False, None)

    @pytest.mark.parametrize(("hubspot", "linked"), CASES[:3])
    def test_released_is_created(self, hubspot: list[b.Row], linked: dict[str, str] | None) -> None:
        row = one(run({"T1": A}, hubspot, linked=linked, pushed={"T1": A}, released=("T1",)))
        assert found(row) == ("create", None, None, None)
        assert row["first_match"] and row["email_action"] == "set"

    def test_released_is_matched_as_if_unknown(self) -> None:
        hubspot: list[b.Row] = [{"id": "1", "archived": True, "teamleader_id": "T1"}, {"id": "2", "emails": [A]}]
        row = one(run({"T1": A}, hubspot, linked={"T1": "1"}, pushed={"T1": A}, released=("T1",)))
        assert found(row) == ("update", "2", "email", None)
        assert row["first_match"]

    def test_release_changes_nothing_for_a_record_that_lives(self) -> None:
        row = one(run({"T1": A}, [{"id": "1", "emails": [A]}], linked={"T1": "1"}, released=("T1",)))
        assert found(row) == ("update", "1", "link", None)

    def test_an_active_record_that_carries_the_id_replaces_a_dead_link(self) -> None:
        hubspot: list[b.Row] = [
            {"id": "1", "archived": True, "teamleader_id": "T1"},
            {"id": "2", "teamleader_id": "T1", "emails": [A]},
        ]
        row = one(run({"T1": A}, hubspot, linked={"T1": "1"}))
        assert found(row) == ("update", "2", "teamleader_id", None)

    def test_an_archived_record_that_only_shares_the_address_is_no_match(self) -> None:
        row = one(run({"T1": A}, [{"id": "1", "archived": True, "emails": [A]}]))
        assert found(row) == ("create", None, None, None)


class TestForeignTeamleaderId:
    """A HubSpot record with a teamleader_id that Teamleader does not have is not changed."""

    def test_it_is_never_matched_by_address(self) -> None:
        row = one(run({"T1": A}, [{"id": "1", "emails": [A], "teamleader_id": "elsewhere"}]))
        assert found(row) == ("held", "1", "email", "claimed_by_other")

    def test_blank_is_no_id(self) -> None:
        assert found(one(run({"T1": A}, [{"id": "1", "emails": [A], "teamleader_id": " "}])))[0] == "update"

    def test_record_of_a_contact_that_is_gone_from_teamleader_is_taken_over(self) -> None:
        # two Teamleader contacts were merged there: the one that remains has the address of the one that went
        row = one(run({"T1": A}, [{"id": "1", "emails": [A], "teamleader_id": "T0"}], linked={"T0": "1"}))
        assert found(row) == ("update", "1", "email", None)
        assert pick(row, "relinked_from", "first_match") == ("T0", True)


LOSER: b.Row = {
    "teamleader_id": "T0",
    "address": A,
    "status": "skip",
    "reason": "duplicate_email",
    "duplicate_of": "T1",
}


class TestDuplicates:
    """A winner without a link takes over the loser's."""

    def test_taken_over(self) -> None:
        row = one(run({"T1": A}, [{"id": "1", "emails": [A]}], linked={"T0": "1"}, skipped=[LOSER]))
        assert found(row) == ("update", "1", "link", None)
        assert row["relinked_from"] == "T0"

    def test_the_losers_last_address_counts_as_the_old_one(self) -> None:
        row = one(run({"T1": A}, [{"id": "1", "emails": [B]}], linked={"T0": "1"}, pushed={"T0": B}, skipped=[LOSER]))
        assert email(row) == ("replace_primary", A, B, True, None)
        assert row["first_match"]

    def test_own_link_comes_first(self) -> None:
        hubspot: list[b.Row] = [{"id": "1", "emails": [A]}, {"id": "2", "emails": [B]}]
        row = one(run({"T1": A}, hubspot, linked={"T0": "1", "T1": "2"}, skipped=[LOSER]))
        assert pick(row, "hubspot_id", "relinked_from", "email_blocked_by") == ("2", None, "1")

    def test_record_that_carries_the_losers_id(self) -> None:
        row = one(run({"T1": A}, [{"id": "1", "emails": [A], "teamleader_id": "T0"}], skipped=[LOSER]))
        assert found(row) == ("update", "1", "teamleader_id", None)
        assert row["relinked_from"] == "T0"

    def test_a_link_of_another_loser_is_not_taken(self) -> None:
        other = {**LOSER, "duplicate_of": "T9"}
        row = one(run({"T1": A}, [{"id": "1", "emails": [A]}], linked={"T0": "1"}, skipped=[other]))
        assert found(row) == ("held", "1", "email", "claimed_by_other")


class TestFirstMatch:
    @pytest.mark.parametrize(
        ("hubspot", "linked", "pushed", "first"),
        [
            pytest.param([{"id": "1", "emails": [A]}], {"T1": "1"}, {"T1": A}, False, id="pushed before"),
            pytest.param([{"id": "1", "emails": [A]}], {"T1": "1"}, {"T1": None}, False, id="pushed without address"),
            pytest.param([{"id": "1", "emails": [A]}], {"T1": "1"}, None, True, id="linked, never pushed"),
            pytest.param([{"id": "1", "emails": [A]}], None, None, True, id="by address"),
            pytest.param([], None, None, True, id="created"),
            pytest.param([{"id": "9", "merged_ids": ["1"]}], {"T1": "1"}, {"T1": A}, False, id="followed a merge"),
        ],
    )
    def test_first_match(
        self, hubspot: list[b.Row], linked: dict[str, str] | None, pushed: dict[str, str | None] | None, first: bool
    ) -> None:
        assert one(run({"T1": A}, hubspot, linked=linked, pushed=pushed))["first_match"] is first


def test_empty_everything() -> None:
    matching = run({}, [])
    assert matching.matches.schema == pl.Schema(CONTACT_MATCHES)
    assert matching.matches.is_empty() and matching.notices.is_empty()


# --- properties over random worlds -----------------------------------------------------------------------------------

ADDRESSES = [f"m{i}@example.be" for i in range(8)]
TEAMLEADER = [f"T{i}" for i in range(8)]
HUBSPOT = [str(i) for i in range(1, 9)]


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, pl.DataFrame]:
    """Random contacts on both sides: HubSpot keeps its own promise that an address is on one active record only."""
    source = draw(st.lists(st.sampled_from(TEAMLEADER), unique=True))
    decisions: list[b.Row] = []
    winners: dict[str, str] = {}
    for contact in source:
        address = draw(st.sampled_from(ADDRESSES))
        stopped = draw(st.integers(0, 4)) == 0
        row: b.Row = {"teamleader_id": contact, "address": address}
        if stopped:
            row |= {"status": "skip", "reason": "too_old"}
        elif address in winners:
            row |= {"status": "skip", "reason": "duplicate_email", "duplicate_of": winners[address]}
        else:
            winners[address] = contact
        decisions.append(row)
    free = draw(st.permutations(ADDRESSES))
    hubspot: list[b.Row] = []
    for record in draw(st.lists(st.sampled_from(HUBSPOT), unique=True)):
        n = draw(st.integers(0, 3))
        mine, free = free[:n], free[n:]
        hubspot.append(
            {
                "id": record,
                "emails": mine,
                "archived": draw(st.integers(0, 4)) == 0,
                "teamleader_id": draw(st.none() | st.sampled_from([*TEAMLEADER, "elsewhere"])),
                "merged_ids": draw(st.lists(st.sampled_from(HUBSPOT), max_size=2)),
                "createdate": datetime(2020, 1, draw(st.integers(1, 3)), tzinfo=UTC),
            }
        )
    some = st.sampled_from(TEAMLEADER)
    return {
        "eligible": b.eligible_contacts(*((t, a) for a, t in winners.items())),
        "decisions": b.contact_decisions(*decisions),
        "mirror": b.hubspot_contacts(*hubspot),
        "links": b.links("contact", draw(st.dictionaries(some, st.sampled_from(HUBSPOT)))),
        "pushed": b.pushed(draw(st.dictionaries(some, st.none() | st.sampled_from(ADDRESSES)))),
        "releases": b.releases("contact", *draw(st.lists(some, max_size=2, unique=True))),
    }


PROPERTY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PROPERTY
@given(worlds())
def test_every_eligible_contact_has_exactly_one_row_and_every_record_one_claimant(
    world: dict[str, pl.DataFrame],
) -> None:
    matches = match(**world).matches
    assert matches["teamleader_id"].to_list() == sorted(world["eligible"]["teamleader_id"])
    claimed = matches.filter(pl.col("outcome") == "update")["hubspot_id"]
    assert claimed.null_count() == 0 and claimed.n_unique() == claimed.len()
    active = world["mirror"].filter(~pl.col("archived"))["id"].to_list()
    assert set(claimed) <= set(active)
    assert matches.filter((pl.col("outcome") == "create") != pl.col("hubspot_id").is_null()).is_empty()
    assert matches.filter((pl.col("outcome") == "held") != pl.col("reason").is_not_null()).is_empty()


@PROPERTY
@given(worlds(), st.randoms(use_true_random=False))
def test_row_order_never_matters(world: dict[str, pl.DataFrame], random: Any) -> None:
    def shuffled(frame: pl.DataFrame) -> pl.DataFrame:
        order = list(range(frame.height))
        random.shuffle(order)
        return frame[order] if order else frame

    before, after = match(**world), match(**{name: shuffled(frame) for name, frame in world.items()})
    assert before.matches.equals(after.matches)
    assert before.notices.equals(after.notices)


@PROPERTY
@given(worlds())
def test_after_the_plan_every_address_is_where_it_belongs_and_nowhere_twice(world: dict[str, pl.DataFrame]) -> None:
    """Carry the plan out on a model of HubSpot that refuses an address which another record has."""
    address_of = dict(world["eligible"].select("teamleader_id", "address").iter_rows())
    portal = {
        r["id"]: [e for e in [r["email"], *r["secondary_emails"]] if e]
        for r in world["mirror"].iter_rows(named=True)
        if not r["archived"]
    }
    primaries = {k: v[0] if v else None for k, v in portal.items()}
    rows = list(match(**world).matches.iter_rows(named=True))
    for row in rows:
        if row["outcome"] == "held":
            assert row["email_action"] == "none"
        elif row["email_action"] == "none":
            where = row["email_blocked_by"] or row["hubspot_id"]
            assert address_of[row["teamleader_id"]] in portal[where]
    waiting = [row for row in rows if row["email_action"] != "none"]
    waiting.sort(key=lambda r: r["outcome"] == "create")
    while waiting:
        held_by = {a: r for r, addresses in portal.items() for a in addresses}
        ready = next((r for r in waiting if held_by.get(r["email_new"]) in (None, r["hubspot_id"])), None)
        assert ready is not None, "HubSpot would refuse the address"
        waiting.remove(ready)
        new, old = ready["email_new"], ready["email_old"]
        record = ready["hubspot_id"] or ready["teamleader_id"]
        own = portal.setdefault(record, [])
        assert new == address_of[ready["teamleader_id"]]
        own[:] = [a for a in own if a not in (new, old)]
        leads = ready["email_action"] in ("set", "replace_primary")
        own.insert(0 if leads or new == primaries[record] else len(own), new)
        if ready["email_keep_old"]:
            own.append(old)
        if not leads:
            assert own[0] == primaries[record], "a primary that a person chose stays"
