"""Reading Teamleader: dlt's REST source beside the product's reading steps.

First everything; then what changed after edits, deletions and new links; then a list that is edited while it is read.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
from installed import HERE, PYTHON
from stage import Stage

Facts = dict[str, Any]
LISTS = ("contacts", "companies", "deals")


class Reader:
    """A contestant: how it is started, in which order it reads contacts, and where its rows are."""

    name: str
    sorted_by: str
    database: str
    links: str

    def __init__(self, stage: Stage, folder: str) -> None:
        self.stage, self.folder = stage, stage.place(folder)

    def command(self, names: Sequence[str]) -> list[str | Path]:
        raise NotImplementedError

    def read(self, names: Sequence[str], **how: Any) -> Facts:
        """One measured run."""
        facts = self.stage.measure(self.command(names), self.stage.environment(self.folder), self.folder, **how)
        if facts["exit_code"]:
            raise RuntimeError(f"{self.name}: exit code {facts['exit_code']}\n{facts['said']}")
        return {name: facts[name] for name in ("seconds", "teamleader_calls", "by_path", "rate_limited")}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / self.database), read_only=True) as con:
            return con.execute(query).fetchall()

    def ids(self, kind: str) -> set[str]:
        raise NotImplementedError

    def firsts(self) -> set[tuple[str, str]]:
        """(contact, company) where the company is known to be the contact's first."""
        return set()


class Dlt(Reader):
    name, sorted_by, database = "dlt", "added_at", "warehouse.duckdb"
    links = """select r.id, i.id from teamleader.company_info__related_contacts as r
        join teamleader.company_info as i on r._dlt_parent_id = i._dlt_id"""

    def command(self, names: Sequence[str]) -> list[str | Path]:
        named = ["company_info" if name == "links" else name for name in names]
        return [PYTHON, HERE / "teamleader_dlt.py", self.folder, *named]

    def ids(self, kind: str) -> set[str]:
        return {id for (id,) in self.rows(f"select id from teamleader.{kind}")}


class Ours(Reader):
    name, sorted_by, database = "tl_hubspot", "updated_at", "tl_hubspot.duckdb"
    links = "select contact_id, company_id from teamleader.contact_company_links"

    def command(self, names: Sequence[str]) -> list[str | Path]:
        return [sys.executable, HERE / "teamleader_ours.py", *names]

    def ids(self, kind: str) -> set[str]:
        return {id for (id,) in self.rows(f"select id from teamleader.{kind} where deleted_at is null")}

    def firsts(self) -> set[tuple[str, str]]:
        return set(self.rows(f"{self.links} where rank = 0"))


READERS: tuple[type[Reader], ...] = (Dlt, Ours)


def measure(stage: Stage, say: Callable[[str], None]) -> Facts:
    """Everything, changes, and a list that moves; returns `{reader: {part: facts}}`."""
    readers = [kind(stage, f"reading-{kind.name}") for kind in READERS]
    found: Facts = {reader.name: {} for reader in readers}
    for reader in readers:
        found[reader.name]["everything"] = facts = reader.read([*LISTS, "links"])
        facts |= _compared(stage, reader)
        say(f"{reader.name} reads everything: {facts}")
    gone, edited, linked = _change(stage)
    for reader in readers:
        found[reader.name]["changes"] = facts = reader.read([*LISTS, "links"])
        names = dict(reader.rows("select id, last_name from teamleader.contacts"))
        links = set(reader.rows(reader.links))
        facts |= {
            "edits": len(edited),
            "edits_found": sum(names[id] == "Edited" for id in edited),
            "deletions": len(gone),
            "deletions_found": len(gone - reader.ids("contacts")),
            "links": len(linked),
            "links_found": len(linked & links),
        }
        say(f"{reader.name} reads changes: {facts}")
    for kind in READERS:
        found[kind.name]["moving"] = facts = _moving(stage, kind(stage, f"moving-{kind.name}"))
        say(f"{kind.name} reads a list that moves: {facts}")
    return found


def _compared(stage: Stage, reader: Reader) -> Facts:
    """What there is, and how much of it the reader has."""
    teamleader = stage.systems.teamleader
    facts: Facts = {}
    for kind in LISTS:
        there = {record["id"] for record in teamleader.all(kind)}
        facts[kind], facts[f"{kind}_read"] = len(there), len(there & reader.ids(kind))
    companies = {c["id"]: [link["company"]["id"] for link in c["companies"]] for c in teamleader.all("contacts")}
    links = {(contact, company) for contact, its in companies.items() for company in its}
    firsts = {(contact, its[0]) for contact, its in companies.items() if len(its) > 1}
    facts |= {"links": len(links), "links_read": len(links & set(reader.rows(reader.links)))}
    return facts | {"firsts": len(firsts), "firsts_known": len(firsts & reader.firsts())}


def _change(stage: Stage) -> tuple[set[str], set[str], set[tuple[str, str]]]:
    """Ten edits, five deletions and five new links, which move no time of change; an hour later."""
    teamleader = stage.systems.teamleader
    contacts, companies = sorted(ids_of(stage, "contacts")), sorted(ids_of(stage, "companies"))
    stage.systems.clock.advance(3600)
    gone, edited = set(contacts[:5]), set(contacts[5:15])
    linked = {(contact, companies[0]) for contact in contacts[15:20]}
    for id in gone:
        teamleader.delete("contacts", id)
    for id in edited:
        teamleader.update("contacts", id, last_name="Edited")
    for contact, company in linked:
        teamleader.link(contact, company)
    stage.systems.clock.advance(3600)
    return gone, edited, linked


def ids_of(stage: Stage, kind: str) -> list[str]:
    """Ids of everything there is of a kind."""
    return [record["id"] for record in stage.systems.teamleader.all(kind)]


def _moving(stage: Stage, reader: Reader) -> Facts:
    """Contacts are read while, after every other page, somebody edits or deletes one of those given already."""
    teamleader = stage.systems.teamleader
    before = sorted(teamleader.all("contacts"), key=lambda record: record[reader.sorted_by] or "")
    given = [record["id"] for record in before[:40]]
    edited, gone = given[10:13], given[20:23]
    acts: list[Callable[[], object]] = []
    for id, other in zip(edited, gone, strict=True):
        acts.append(lambda id=id: teamleader.update("contacts", id, last_name="While reading"))  # type: ignore[misc]
        acts.append(lambda id=other: teamleader.delete("contacts", id))  # type: ignore[misc]
    done = threading.Event()

    def disturb() -> None:
        for number, act in enumerate(acts):
            while teamleader.log.count("contacts.list") < 2 + number:
                if done.wait(0.002):
                    return
            act()

    person = threading.Thread(target=disturb)
    try:
        facts = reader.read(["contacts"], limits=False, prepare=person.start)
    finally:
        done.set()
        person.join()
    made = sum(teamleader.get("contacts", id)["last_name"] == "While reading" for id in edited)
    facts |= {"edited_meanwhile": made, "deleted_meanwhile": len(set(gone) - set(ids_of(stage, "contacts")))}
    facts |= _left(stage, reader, "after_it")
    stage.systems.clock.advance(3600)
    later = reader.read(["contacts"], limits=False)
    return facts | _left(stage, reader, "after_the_next_increment") | {"calls_of_increment": later["teamleader_calls"]}


def _left(stage: Stage, reader: Reader, when: str) -> Facts:
    """Contacts that are missing, and those read in an older version."""
    there = {record["id"]: record["last_name"] for record in stage.systems.teamleader.all("contacts")}
    held = dict(reader.rows("select id, last_name from teamleader.contacts"))
    present = reader.ids("contacts")
    return {
        f"missing_{when}": len(set(there) - present),
        f"outdated_{when}": sum(held[id] != name for id, name in there.items() if id in present),
    }
