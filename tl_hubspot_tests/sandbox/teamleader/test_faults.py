"""Faults on purpose, the request log, and a sandbox whose file outlives it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tl_hubspot.sandbox.control import Fault, LoopbackServer
from tl_hubspot.sandbox.teamleader import TeamleaderSandbox
from tl_hubspot_tests.sandbox.teamleader import account as a
from tl_hubspot_tests.sandbox.teamleader.conftest import Api


@pytest.mark.parametrize(
    "status, title", [(429, "Too Many Requests"), (500, "Internal Server Error"), (503, "Service Unavailable")]
)
def test_status(api: Api, status: int, title: str) -> None:
    api.sandbox.faults.add(Fault("status", path=r"contacts\.list", status=status))
    answer = api.post("contacts.list")
    assert answer.status_code == status
    assert answer.json() == {"errors": [{"code": 0, "title": title, "status": status}]}
    assert api.post("contacts.list").status_code == 200


def test_html_from_a_gateway(api: Api) -> None:
    api.sandbox.faults.add(Fault("status", status=502, body="<html>Bad Gateway</html>"))
    answer = api.post("contacts.list")
    assert (answer.status_code, answer.text) == (502, "<html>Bad Gateway</html>")


def test_a_dropped_connection_after_the_write(api: Api) -> None:
    api.sandbox.faults.add(Fault("drop", path=r"contacts\.update", when="after"))
    with pytest.raises(requests.ConnectionError):
        api.post("contacts.update", {"id": a.ANN, "first_name": "Changed"})
    assert api.data("contacts.info", {"id": a.ANN})["first_name"] == "Changed"


def test_a_refresh_whose_answer_is_lost_has_rotated_the_token(api: Api) -> None:
    api.sandbox.faults.add(Fault("drop", path="/oauth2/access_token", when="after"))
    form = {"grant_type": "refresh_token", "refresh_token": "sandbox-refresh"}
    with pytest.raises(requests.ConnectionError):
        api.token(**form)
    assert api.token(**form).status_code == 400


def test_truncated_and_empty(api: Api) -> None:
    whole = api.post("contacts.list", {"sort": [{"field": "added_at"}]})
    api.sandbox.faults.add(Fault("truncated", path=r"contacts\.list"))
    cut = api.post("contacts.list", {"sort": [{"field": "added_at"}]})
    assert cut.status_code == 200
    assert whole.text.startswith(cut.text)
    with pytest.raises(requests.JSONDecodeError):
        cut.json()
    api.sandbox.faults.add(Fault("empty", path=r"contacts\.list"))
    assert api.post("contacts.list").json() == {"data": []}
    assert len(api.data("contacts.list")) == 3


def test_log_tells_writes_from_reads(api: Api) -> None:
    api.post("contacts.list", {"filter": {"status": "active"}})
    api.post("contacts.tag", {"id": a.ANN, "tags": ["X"]})
    api.token(grant_type="refresh_token", refresh_token="nonsense")
    log = [(entry["path"], entry["status"], entry["write"]) for entry in api.sandbox.log.entries]
    assert log == [("/contacts.list", 200, False), ("/contacts.tag", 204, True), ("/oauth2/access_token", 400, False)]
    assert api.sandbox.log.entries[0]["body"] == {"filter": {"status": "active"}}


def test_reset_over_http(api: Api) -> None:
    api.token(grant_type="refresh_token", refresh_token="sandbox-refresh")
    assert api.session.post(f"{api.url}/_sandbox/reset", timeout=10).status_code == 200
    assert (api.sandbox.count("contacts"), api.sandbox.log.count()) == (0, 0)
    assert api.post("users.me").status_code == 401
    assert api.token(grant_type="refresh_token", refresh_token="sandbox-refresh").status_code == 200


def test_a_file_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "teamleader.sqlite"
    first = TeamleaderSandbox(path)
    a.load(first)
    with LoopbackServer(first.app) as server:
        pair = Api(server.url, first).token(grant_type="refresh_token", refresh_token="sandbox-refresh").json()
    born = first.add("contacts", {"last_name": "Born"})
    first.close()
    second = TeamleaderSandbox(path)
    with LoopbackServer(second.app) as server:
        api = Api(server.url, second)
        api.headers = {"Authorization": f"Bearer {pair['access_token']}"}
        assert api.data("contacts.info", {"id": born})["last_name"] == "Born"
        assert api.data("contacts.info", {"id": a.ANN})["companies"][0]["company"]["id"] == a.ACME
        assert api.token(grant_type="refresh_token", refresh_token="sandbox-refresh").status_code == 400
        assert api.token(grant_type="refresh_token", refresh_token=pair["refresh_token"]).status_code == 200
    assert second.new_id("contacts") == a.uid("Contact", 5)
    second.close()


def test_the_same_seed_gives_the_same_order(tmp_path: Path) -> None:
    def orders(seed: int) -> list[list[str]]:
        sandbox = TeamleaderSandbox(seed=seed)
        sandbox.load("contacts", [{"id": a.uid("Contact", n), "last_name": "Same"} for n in range(1, 20)])
        with LoopbackServer(sandbox.app) as server:
            api = Api(server.url, sandbox)
            api.headers = {"Authorization": f"Bearer {sandbox.access_token()}"}
            found = [api.ids("contacts.list") for _ in range(3)]
        sandbox.close()
        return found

    assert orders(7) == orders(7)
    assert orders(7) != orders(8)


def test_deals_updated_since_are_found_in_their_order_by_an_index_that_older_files_get(tmp_path: Path) -> None:
    before = TeamleaderSandbox(tmp_path / "older.sqlite")
    before.store.execute("DROP INDEX deals_created_updated")
    before.close()
    sandbox = TeamleaderSandbox(tmp_path / "older.sqlite")
    plan = sandbox.store.query(
        "EXPLAIN QUERY PLAN SELECT n FROM deals WHERE updated_at >= 0 AND created_at <= 9 ORDER BY created_at DESC"
    )
    sandbox.close()
    assert [row["detail"] for row in plan] == ["SEARCH deals USING COVERING INDEX deals_created_updated (created_at<?)"]


def test_bulk_loading_leaves_the_indexes_in_place(tmp_path: Path) -> None:
    def indexes(sandbox: TeamleaderSandbox) -> set[str]:
        return {row["name"] for row in sandbox.store.query("SELECT name FROM sqlite_master WHERE type = 'index'")}

    def people(first: int, last: int, bad: int = 0) -> Iterator[dict[str, Any]]:
        for n in range(first, last):
            at = f"2025-01-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}+00:00"
            yield {"id": "wrong" if n == bad else a.uid("Contact", n), "last_name": f"P{n}", "updated_at": at}

    sandbox = TeamleaderSandbox(tmp_path / "bulk.sqlite")
    before = indexes(sandbox)
    with pytest.raises(ValueError, match="no UUID"):
        sandbox.load("contacts", people(1, 5101, bad=5050))
    assert sandbox.count("contacts") == 5000, "whole batches before the bad record stay"
    assert sandbox.load("contacts", people(5001, 5101)) == 100
    assert sandbox.load("contacts", people(1, 5101)) == 5100, "loading again replaces"
    assert (sandbox.count("contacts"), indexes(sandbox)) == (5100, before)
    plan = sandbox.store.query(
        "EXPLAIN QUERY PLAN SELECT n FROM contacts WHERE updated_at >= 0 AND status = 'active' ORDER BY updated_at"
    )
    assert "USING COVERING INDEX contacts_updated_at" in plan[0]["detail"]
    with LoopbackServer(sandbox.app) as server:
        api = Api(server.url, sandbox)
        api.headers = {"Authorization": f"Bearer {sandbox.access_token()}"}
        since = {"updated_since": "2025-01-01T01:24:50+00:00"}
        found = api.data("contacts.list", {"filter": since, "sort": [{"field": "updated_at"}]})
        assert [item["last_name"] for item in found] == [f"P{n}" for n in range(5090, 5101)]
    sandbox.close()


def test_requests_and_python_methods_at_the_same_time(api: Api) -> None:
    def over_http(number: int) -> None:
        own = Api(api.url, api.sandbox)
        own.headers = api.headers
        for n in range(15):
            own.data("contacts.add", {"last_name": f"H{number}-{n}"})
            own.data("contacts.list")

    def in_python(number: int) -> None:
        for n in range(15):
            person = api.sandbox.add("contacts", {"last_name": f"T{number}-{n}"})
            api.sandbox.link(person, a.ACME)

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(work, n) for n in range(2) for work in (over_http, in_python)]
        for future in done:
            future.result()
    assert api.sandbox.count("contacts") == 3 + 60
    acme = api.data("companies.info", {"id": a.ACME, "includes": "related_contacts"})
    assert len(acme["related_contacts"]) == 2 + 30
