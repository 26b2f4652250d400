"""Demo and generated: proportions, integrity, nobody real, and constant memory."""

import gc
import re
import sys
import tracemalloc
from collections import Counter
from itertools import islice

import phonenumbers
import pytest
from stdnum.eu import vat

from tl_hubspot.sandbox.worlds import DEFAULT_AS_OF, world
from tl_hubspot.sandbox.worlds.portfolio import REASONS_PER_BLOCK
from tl_hubspot_tests.sandbox.worlds import oracle

SKIPPED = {"no_email", "invalid_email", "too_old", "deactivated", "duplicate_email"}


class Loaded:
    """The demo, read once into lists."""

    def __init__(self):
        self.world = world("demo")
        self.contacts = list(self.world.teamleader("contacts"))
        self.companies = list(self.world.teamleader("companies"))
        self.deals = list(self.world.teamleader("deals"))
        self.in_hubspot = list(self.world.hubspot_objects("contacts"))
        self.companies_in_hubspot = list(self.world.hubspot_objects("companies"))
        self.owner_of = {}
        for record in self.in_hubspot:
            for email in (record["properties"]["email"], *record.get("secondary_emails", ())):
                assert email not in self.owner_of
                self.owner_of[email] = record
        self.reasons = oracle.contact_reasons(self.contacts, DEFAULT_AS_OF)
        self.address = {}
        for contact in self.contacts:
            if self.reasons[contact["id"]][0] not in ("no_email", "invalid_email"):
                self.address[contact["id"]] = oracle.address(contact)


@pytest.fixture(scope="module")
def demo():
    return Loaded()


def test_demo_has_the_promised_size(demo):
    assert (len(demo.contacts), len(demo.companies), len(demo.deals)) == (1000, 200, 300)
    assert len(demo.companies_in_hubspot) == 60 + 10
    assert list(demo.world.hubspot_objects("deals")) == []


def test_demo_decisions_are_exact(demo):
    found = Counter(reason for reason, _ in demo.reasons.values())
    assert found == {reason: 10 * count for reason, count in REASONS_PER_BLOCK.items()}


def test_demo_consent_proportions(demo):
    values = Counter(contact.get("marketing_mails_consent", "absent") for contact in demo.contacts)
    assert values == {True: 910, False: 60, "absent": 20, None: 10}


def test_demo_matches_about_a_quarter(demo):
    addresses = set(demo.address.values())
    known = [record for record in demo.in_hubspot if record["properties"]["email"] in addresses]
    secondary = [record for record in demo.in_hubspot if set(record.get("secondary_emails", ())) & addresses]
    assert 225 <= len(known) <= 260
    assert 5 <= len(secondary) <= 15
    strangers = [r for r in demo.in_hubspot if r["properties"]["email"].endswith("nergens-anders.example")]
    assert len(strangers) == 30


def test_demo_hits_no_guard(demo):
    opted_out = {
        demo.address[contact["id"]]
        for contact in demo.contacts
        if contact.get("marketing_mails_consent") is False and contact["id"] in demo.address
    }
    unsubscribes = opted_out & demo.owner_of.keys()
    assert 5 <= len(unsubscribes) <= 25
    # Nothing is linked yet, so the limits on creates and updates do not apply.
    for kind in ("contacts", "companies", "deals"):
        assert oracle.carried(demo.world, kind) == set()
    marketing = sum(1 for reason, _ in demo.reasons.values() if reason == "changed_within_2_years")
    already = sum(1 for record in demo.in_hubspot if record.get("marketable"))
    assert marketing + already < 1000


def test_demo_holds_exactly_two_contacts(demo):
    """Two contacts lose their HubSpot contact to one that has its primary address; no other is claimed twice."""
    claims = Counter()
    for contact in demo.contacts:
        reason, _ = demo.reasons[contact["id"]]
        if reason in ("opted_out", "consent_unknown", "changed_within_2_years", "changed_2_to_5_years"):
            owner = demo.owner_of.get(demo.address[contact["id"]])
            if owner:
                claims[owner["id"]] += 1
    assert Counter(claims.values())[2] == 2
    assert max(claims.values()) == 2


def test_demo_buckets(demo):
    """What the first sync makes of the 1,000 contacts; a sum that whoever runs the demo can look up."""
    buckets, taken = Counter(), set()
    # A primary address claims before a secondary one.
    for primary_first in (True, False):
        for contact in demo.contacts:
            reason, _ = demo.reasons[contact["id"]]
            email = demo.address.get(contact["id"])
            owner = demo.owner_of.get(email)
            if reason in SKIPPED:
                buckets["skipped"] += primary_first
            elif owner is None:
                buckets["created"] += primary_first
            elif (owner["properties"]["email"] == email) == primary_first:
                buckets["held" if owner["id"] in taken else "updated"] += 1
                taken.add(owner["id"])
    assert buckets == {"created": 510, "updated": 228, "skipped": 260, "held": 2}


def test_demo_has_someone_opted_out_in_hubspot_only(demo):
    both = [
        contact
        for contact in demo.contacts
        if demo.owner_of.get(demo.address.get(contact["id"]), {}).get("opted_out")
        and demo.reasons[contact["id"]][0] == "changed_within_2_years"
    ]
    assert len(both) == 5


def test_demo_deals_are_of_every_kind(demo):
    reasons = Counter(oracle.deal_reasons(demo.deals, demo.reasons, set(), set(), DEFAULT_AS_OF).values())
    assert set(reasons) == {
        *("no_contact", "contact_not_eligible", "changed_within_2_years", "inactive", "too_old", "closed"),
        "closed_too_old",
    }
    assert reasons["changed_within_2_years"] >= 50 and reasons["closed"] >= 40 and reasons["inactive"] >= 10


def test_references_hold(demo):
    companies, contacts = ({record["id"] for record in rows} for rows in (demo.companies, demo.contacts))
    assert (len(companies), len(contacts)) == (200, 1000)
    for contact in demo.contacts:
        linked = [link["company"]["id"] for link in contact["companies"]]
        assert len(linked) == len(set(linked)) and companies.issuperset(linked)
    phases = {phase["id"]: phase["deal_pipeline_id"] for phase in demo.world.teamleader("dealPhases")}
    users = {user["id"] for user in demo.world.teamleader("users")}
    for deal in demo.deals:
        customer, person = deal["lead"]["customer"], deal["lead"]["contact_person"]
        assert customer["id"] in {"contact": contacts, "company": companies}[customer["type"]]
        assert person is None or (person["id"] in contacts and customer["type"] == "company")
        assert phases[deal["current_phase"]["id"]] == deal["pipeline"]["id"]
        assert deal["responsible_user"]["id"] in users
        assert (deal["closed_at"] is None) == (deal["status"] in ("open", "new"))
        started = [oracle.instant(entry["started_at"]) for entry in deal["phase_history"]]
        assert started == sorted(started) and started[-1] <= DEFAULT_AS_OF
    hubspot = {r["id"] for rows in (demo.in_hubspot, demo.companies_in_hubspot) for r in rows}
    pairs = list(demo.world.hubspot_associations())
    assert pairs and all(pair[2] in hubspot and pair[3] in hubspot for pair in pairs)
    assert {pair[4] for pair in pairs} == {1}


def test_links_per_contact(demo):
    assert 1.1 <= sum(len(contact["companies"]) for contact in demo.contacts) / 1000 <= 1.3


def test_vat_numbers_are_valid_and_shared_only_on_purpose(demo):
    numbers = Counter()
    for company in demo.companies:
        if text := company["vat_number"]:
            country = company["addresses"][0]["address"]["country"]
            digits = "".join(c for c in text if c.isalnum())
            if not digits.startswith(country):
                digits = f"{country}{digits.zfill(10)}"
            assert vat.is_valid(digits), text
            numbers[digits] += 1
    assert len(numbers) == 200 - 2 * 10 - 10
    assert Counter(numbers.values()) == {1: 160, 2: 10}
    assert any(n.startswith("NL") for n in numbers) and any(n.startswith("BE") for n in numbers)


def test_telephones_are_valid(demo):
    notations = set()
    for record in (*demo.contacts, *demo.companies):
        for telephone in record["telephones"]:
            number = phonenumbers.parse(telephone["number"], record["addresses"][0]["address"]["country"])
            assert phonenumbers.is_valid_number(number), telephone
            notations.add(telephone["number"][0])
    assert notations == {"0", "+"}


def test_nobody_is_real(demo):
    """Every address and website lies under the reserved top-level domain; the social network is the one exception."""
    for contact in demo.contacts:
        for entry in contact["emails"]:
            assert entry["email"].strip().lower().endswith(".example") or not entry["email"].strip()
    for company in demo.companies:
        website = company["website"] or ".example"
        assert website.rstrip("/").endswith(".example") or website.startswith("https://www.facebook.com/")
    for owner in (*demo.world.hubspot_owners(), *demo.world.teamleader("users")):
        assert owner["email"].endswith(".example")


def test_names_and_domains_do_not_collide():
    companies = list(world("generated", contacts=0, companies=20_000, deals=0).teamleader("companies"))
    names = Counter(record["name"].rsplit(" ", 1)[0] for record in companies)
    # One in twenty is a second entry of another company, under that one's name.
    assert len(names) >= 0.94 * len(companies)
    assert all(
        re.fullmatch(r"info@[a-z]+-[a-z]+(-\d+)?-\d+\.example", c["emails"][0]["email"])
        for c in companies
        if c["emails"]
    )
    domains = Counter(record["emails"][0]["email"] for record in companies if record["emails"])
    assert set(domains.values()) == {1, 2} and Counter(domains.values())[2] == len(companies) // 20


@pytest.mark.parametrize("name", ["subset", "demo"])
def test_same_seed_same_world(name):
    def everything(seed):
        made = world(name, seed=seed)
        kinds = ("contacts", "companies", "deals", "users", "dealPhases", "customFieldDefinitions")
        rows = [list(made.teamleader(kind)) for kind in kinds]
        rows += [list(made.hubspot_objects(kind)) for kind in ("contacts", "companies", "deals")]
        return [*rows, list(made.hubspot_associations())]

    first = everything(1)
    assert first == everything(1)
    assert first != everything(2)


def test_a_record_depends_on_nothing_but_seed_and_index():
    small = world("generated", contacts=250, companies=60, deals=0)
    large = world("generated", contacts=5000, companies=60, deals=0)
    assert list(small.teamleader("contacts")) == [
        record for record, _ in zip(large.teamleader("contacts"), range(250), strict=False)
    ]


@pytest.mark.parametrize(("contacts", "companies", "deals"), [(0, 0, 0), (1, 0, 3), (0, 3, 3), (7, 1, 1), (250, 9, 30)])
def test_generated_of_any_size(contacts, companies, deals):
    made = world("generated", contacts=contacts, companies=companies, deals=deals)
    assert sum(1 for _ in made.teamleader("contacts")) == contacts
    assert sum(1 for _ in made.teamleader("companies")) == companies
    assert sum(1 for _ in made.teamleader("deals")) == (deals if contacts or companies else 0)
    assert sum(1 for _ in made.hubspot_objects("contacts")) <= contacts
    list(made.hubspot_associations())


def test_generated_sizes_by_default():
    made = world("generated", contacts=1_000_000)
    assert (made.source.contacts, made.source.companies, made.source.deals) == (1_000_000, 200_000, 300_000)
    assert next(made.teamleader("contacts"))["id"]


def test_streams_in_constant_memory():
    """25,000 contacts held as records would be more than 1,000,000 blocks and 50 MB; streamed they leave nothing."""
    made = world("generated", contacts=25_000)
    contacts = made.teamleader("contacts")
    consumed = sum(1 for _ in islice(contacts, 2_500))
    gc.collect()
    blocks = sys.getallocatedblocks()
    consumed += sum(1 for _ in islice(contacts, 20_000))
    assert sys.getallocatedblocks() - blocks < 10_000
    # Tracing is slow: the last 2,500 show the peak of what lives at one moment.
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        consumed += sum(1 for _ in contacts)
        for stream in (made.teamleader("companies"), made.teamleader("deals"), made.hubspot_objects("contacts")):
            assert sum(1 for _ in islice(stream, 500)) == 500
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert consumed == 25_000
    assert peak - before < 500_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "nowhere"}, "unknown world"),
        ({"name": "demo", "contacts": 10}, "fixed size"),
        ({"name": "generated", "contacts": -1}, "fewer"),
        ({"name": "demo", "as_of": DEFAULT_AS_OF.replace(tzinfo=None)}, "time zone"),
    ],
)
def test_refuses_what_makes_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        world(**arguments)


def test_unknown_kinds():
    with pytest.raises(ValueError, match="unknown kind"):
        world("demo").teamleader("quotations")
    with pytest.raises(ValueError, match="unknown object type"):
        world("demo").hubspot_objects("tickets")
