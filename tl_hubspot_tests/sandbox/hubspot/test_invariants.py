"""What holds after any sequence of calls: one owner per address and unique value, symmetric links, full accounting."""

from __future__ import annotations

from typing import Any

import httpx
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tl_hubspot.sandbox.hubspot import HubSpotSandbox, Switches
from tl_hubspot_tests.sandbox.hubspot.conftest import TEST_SWITCHES, traced

CONTACTS = "/crm/v3/objects/contacts"
FAST = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

address = st.sampled_from([f"{letter}@x.be" for letter in "abcdef"])
key = st.sampled_from(["k1", "k2", "k3"])
position = st.integers(0, 5)


class Contacts(RuleBasedStateMachine):
    """Random calls about few contacts with few addresses, so that they collide."""

    http: httpx.Client
    sandbox: HubSpotSandbox

    @initialize(
        kept=st.sampled_from(["kept", "dropped"]), promotes=st.booleans(), moves=st.booleans(), blocks=st.booleans()
    )
    def start(self, kept: str, promotes: bool, moves: bool, blocks: bool) -> None:
        self.sandbox.reset()
        self.sandbox.set_switches(
            old_primary_on_email_change=kept,
            upsert_promotes_secondary=promotes,
            merge_changes_id=moves,
            recreate_after_gdpr_delete=blocks,
        )
        self.sandbox.define_property(
            "contacts", name="ext_id", label="K", type="string", fieldType="text", hasUniqueValue=True
        )

    def live(self) -> list[dict[str, Any]]:
        return list(self.sandbox.all("contacts"))

    def some(self, number: int) -> str:
        records = self.live()
        return str(records[number % len(records)]["id"]) if records else "1"

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        answer = self.http.request(method, path, json=body)
        assert answer.status_code < 500
        return answer

    @rule(email=address, other=address)
    def create(self, email: str, other: str) -> None:
        self.call("POST", CONTACTS, {"properties": {"email": email, "hs_additional_emails": other}})

    @rule(number=position, email=address)
    def change_primary(self, number: int, email: str) -> None:
        self.call("PATCH", f"{CONTACTS}/{self.some(number)}", {"properties": {"email": email}})

    @rule(number=position, emails=st.lists(address, max_size=3), append=st.booleans())
    def change_secondary(self, number: int, emails: list[str], append: bool) -> None:
        value = (";" if append else "") + ";".join(emails)
        self.call("PATCH", f"{CONTACTS}/{self.some(number)}", {"properties": {"hs_additional_emails": value}})

    @rule(number=position, email=address, remove=st.booleans())
    def legacy(self, number: int, email: str, remove: bool) -> None:
        path = f"/contacts/v1/secondary-email/{self.some(number)}/email/{email}"
        self.call("DELETE" if remove else "PUT", path)

    @rule(emails=st.lists(address, min_size=1, max_size=4), ext_id=key)
    def upsert(self, emails: list[str], ext_id: str) -> None:
        inputs = [{"id": email, "idProperty": "email", "properties": {"email": email}} for email in emails]
        inputs[0]["properties"]["ext_id"] = ext_id  # type: ignore[index]
        self.account(self.call("POST", f"{CONTACTS}/batch/upsert", {"inputs": traced(*inputs)}), len(inputs))

    @rule(ext_id=key, email=address)
    def upsert_by_key(self, ext_id: str, email: str) -> None:
        inputs = [{"id": ext_id, "idProperty": "ext_id", "properties": {"email": email}}]
        self.account(self.call("POST", f"{CONTACTS}/batch/upsert", {"inputs": traced(*inputs)}), 1)

    @rule(numbers=st.sets(position, min_size=1, max_size=4), ext_id=key)
    def update(self, numbers: set[int], ext_id: str) -> None:
        ids = sorted({self.some(number) for number in numbers})
        inputs = [{"id": item, "properties": {"ext_id": ext_id}} for item in [*ids, "5"]]
        self.account(self.call("POST", f"{CONTACTS}/batch/update", {"inputs": traced(*inputs)}), len(inputs))

    @rule(number=position)
    def archive(self, number: int) -> None:
        self.call("DELETE", f"{CONTACTS}/{self.some(number)}")

    @rule(number=position, other=position)
    def merge(self, number: int, other: int) -> None:
        body = {"primaryObjectId": self.some(number), "objectIdToMerge": self.some(other)}
        self.call("POST", f"{CONTACTS}/merge", body)

    @rule(email=address)
    def gdpr_delete(self, email: str) -> None:
        self.call("POST", f"{CONTACTS}/gdpr-delete", {"objectId": email, "idProperty": "email"})

    @rule(email=address)
    def opt_out(self, email: str) -> None:
        self.sandbox.optout(email)

    def account(self, answer: httpx.Response, count: int) -> None:
        """Every input is a result or an error; only a refusal of the whole batch has neither."""
        if answer.status_code >= 400:
            return
        body = answer.json()
        assert len(body["results"]) + len(body.get("errors", [])) == count
        assert body.get("numErrors", 0) == len(body.get("errors", []))

    @invariant()
    def each_address_and_key_has_one_owner(self) -> None:
        owners: dict[str, str] = {}
        keys: list[str] = []
        for record in self.live():
            values = record["properties"]
            own = [part for part in values.get("hs_additional_emails", "").split(";") if part]
            own += [values["email"]] if "email" in values else []
            assert len(set(own)) == len(own)
            assert not owners.keys() & set(own)
            owners |= dict.fromkeys(own, record["id"])
            keys += [values["ext_id"]] if "ext_id" in values else []
            opted_out = self.sandbox.subscriptions(values["email"])["opted_out"] if "email" in values else False
            assert (values.get("hs_email_optout") == "true") == opted_out
        assert len(set(keys)) == len(keys)
        for email in (f"{letter}@x.be" for letter in "abcdef"):
            found = self.sandbox.find("contacts", "email", email)
            assert (found["id"] if found else None) == owners.get(email)


def test_contacts(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    machine = type("BoundContacts", (Contacts,), {"http": http, "sandbox": sandbox})
    case: Any = machine.TestCase  # type: ignore[attr-defined]
    case.settings = FAST
    case().runTest()


RECORDS = [("contacts", "11"), ("contacts", "12"), ("companies", "21"), ("companies", "22"), ("deals", "31")]
TYPES = {
    ("contacts", "companies"): (279, 1),
    ("companies", "contacts"): (280, 2),
    ("contacts", "deals"): (4,),
    ("deals", "contacts"): (3,),
    ("deals", "companies"): (341, 5),
    ("companies", "deals"): (342, 6),
}
step = st.tuples(
    st.sampled_from(["default", "types", "batch", "batch default", "delete", "label", "archive"]),
    st.sampled_from(RECORDS),
    st.sampled_from(RECORDS),
    st.integers(0, 1),
).filter(lambda item: (item[1][0], item[2][0]) in TYPES)


def _associate(http: httpx.Client, action: str, source: tuple[str, str], target: tuple[str, str], number: int) -> None:
    (kind, record), (to_kind, to_record) = source, target
    types = TYPES[kind, to_kind]
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": types[number % len(types)]}
    pair = {"from": {"id": record}, "to": {"id": to_record}}
    one = f"/crm/v4/objects/{kind}/{record}/associations"
    batch = f"/crm/v4/associations/{kind}/{to_kind}/batch"
    method, path, body = {
        "default": ("PUT", f"{one}/default/{to_kind}/{to_record}", None),
        "types": ("PUT", f"{one}/{to_kind}/{to_record}", [spec]),
        "batch": ("POST", f"{batch}/create", {"inputs": [pair | {"types": [spec]}]}),
        "batch default": ("POST", f"{batch}/associate/default", {"inputs": [pair]}),
        "delete": ("DELETE", f"{one}/{to_kind}/{to_record}", None),
        "label": ("POST", f"{batch}/labels/archive", {"inputs": [pair | {"types": [spec]}]}),
        "archive": ("POST", f"{batch}/archive", {"inputs": [{"from": {"id": record}, "to": [{"id": to_record}]}]}),
    }[action]
    assert http.request(method, path, json=body).status_code < 300


@settings(FAST, max_examples=40)
@given(st.lists(step, max_size=12))
def test_associations_are_symmetric_with_one_primary(
    http: httpx.Client, sandbox: HubSpotSandbox, steps: list[tuple[str, tuple[str, str], tuple[str, str], int]]
) -> None:
    sandbox.reset()
    for kind, record in RECORDS:
        sandbox.load_objects(kind, [{"id": record, "properties": {}}])
    for action, source, target, number in steps:
        _associate(http, action, source, target, number)
    for kind, record in RECORDS:
        for to_kind in {other for one, other in TYPES if one == kind}:
            there = sandbox.associations(kind, record, to_kind)
            pairs = dict(zip(TYPES[kind, to_kind], TYPES[to_kind, kind], strict=True))
            for link in there:
                back = {item["id"]: item["types"] for item in sandbox.associations(to_kind, link["id"], kind)}
                assert sorted(pairs[type_id] for type_id in link["types"]) == back[record]
                assert TYPES[kind, to_kind][0] in link["types"]
            if kind != "companies" and to_kind == "companies":
                assert sum(TYPES[kind, to_kind][1] in link["types"] for link in there) <= 1


good = st.fixed_dictionaries({"email": st.sampled_from([f"p{n}@x.be" for n in range(30)])})
bad = st.sampled_from([{"email": "nonsense"}, {"nope": "1"}, {"hs_language": "klingon", "email": "q@x.be"}, {}])


@settings(FAST, max_examples=40)
@given(st.lists(st.one_of(good, bad), min_size=1, max_size=12), st.booleans())
def test_batch_create_accounts_for_every_input(
    http: httpx.Client, sandbox: HubSpotSandbox, records: list[dict[str, str]], with_traces: bool
) -> None:
    sandbox.reset()
    sandbox.set_switches(create_conflict_per_record=True)
    inputs: list[dict[str, Any]] = [{"properties": values} for values in records]
    answer = http.post(f"{CONTACTS}/batch/create", json={"inputs": traced(*inputs) if with_traces else inputs})
    emails = [values.get("email", "") for values in records]
    valid = [values for values in records if values in [{"email": email} for email in emails if email.startswith("p")]]
    distinct = len({values["email"] for values in valid})
    if with_traces:
        body = answer.json()
        assert answer.status_code == (201 if distinct == len(records) else 207)
        assert len(body["results"]) + len(body.get("errors", [])) == len(records)
        assert len(body["results"]) == distinct == sandbox.count("contacts")
        named = {error["context"]["objectWriteTraceId"][0] for error in body.get("errors", [])}
        assert len(named) == len(body.get("errors", []))
    else:
        everything = distinct == len(records)
        assert answer.status_code == 201 if everything else answer.status_code in (400, 409)
        assert sandbox.count("contacts") == (len(records) if everything else 0)


@pytest.fixture(autouse=True)
def _default_switches(sandbox: HubSpotSandbox) -> None:
    assert sandbox.switches == TEST_SWITCHES == Switches(limits=False)
