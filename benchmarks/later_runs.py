"""`tl-hubspot sync` in a large account that was synchronised before: nothing changed, and some contacts changed.

Usage: `python benchmarks/later_runs.py [--contacts 10000] [--changes 1000 …] [--folder DIR] [--json FILE]`. A first run
of a large account over HTTP takes hours even without limits, so its outcome is put in place: a real first run of an
account of one contact makes everything that a run needs; then the records go into the local systems and the database,
the rules and the plan are made as in a run, and what the plan says is stored in HubSpot, in the links, shadows and
relations, as if it had been pushed. A real run then reads HubSpot anew and must find nothing to write, or the
benchmark ends. The folder is kept and used again. Measured is the command as a process of its own, beside the systems
that it talks to.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
from filled import batched, store
from measuring import Results, arguments
from whole_run import least, sync

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps import deciding, mirroring, planning
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.sandbox.worlds import HUBSPOT_TYPES, TEAMLEADER_KINDS, World, world

RECORDS = ("companies", "contacts", "deals")
OBJECTS = {"contact": "contacts", "company": "companies", "deal": "deals"}
FIRST_ID = 1_000_000_000
ASSOCIATIONS = {
    ("contact", "company", True): 1,
    ("contact", "company", False): 279,
    ("deal", "contact", False): 3,
    ("deal", "company", True): 5,
    ("deal", "company", False): 341,
}
AS_PUSHED = f"""
create temp table made as
select entity_type, teamleader_id,
  ({FIRST_ID} + row_number() over (order by entity_type, teamleader_id))::varchar as id,
  map_from_entries(list_transform(json_keys(fields), lambda k: (k, fields->k->>'new')))::json::varchar as said
from sync.plan where action = 'create';
insert into sync.links by name select entity_type, teamleader_id, id as hubspot_id, run_id as first_run,
  run_id as last_run, 'created' as matched_by from made, (select distinct run_id from sync.plan);
insert into sync.shadows by name select entity_type, teamleader_id, said as fields, said as written, run_id
from made, (select distinct run_id from sync.plan);
create temp table related as
select details->>'from_type' as from_type, f.id as from_id, details->>'to_type' as to_type, t.id as to_id,
  (details->>'primary')::boolean as is_primary, run_id
from sync.plan p
join made f on f.entity_type = (details->>'from_type') and f.teamleader_id = (details->>'from_id')
join made t on t.entity_type = (details->>'to_type') and t.teamleader_id = (details->>'to_id')
where action = 'associate';
insert into sync.relations by name select * exclude (is_primary), 'made' as origin from related;
delete from sync.readings;
"""


def begin(systems: LocalSystems, folder: Path, made_up: World) -> None:
    """Everything but records, and a run that makes what HubSpot lacks: one contact is enough for that."""
    for kind in set(TEAMLEADER_KINDS) - set(RECORDS):
        systems.teamleader.load(kind, made_up.teamleader(kind))
    systems.hubspot.load_owners(made_up.hubspot_owners())
    for object_type in HUBSPOT_TYPES:
        for definition in made_up.hubspot_properties(object_type):
            systems.hubspot.define_property(object_type, **definition)
    now = systems.clock.now().isoformat(timespec="seconds")
    email = [{"type": "primary", "email": "first@first.example"}]
    one = made_up.source.contact(made_up.source.contacts) | {"companies": []}  # type: ignore[attr-defined]
    systems.teamleader.load("contacts", [one | {"emails": email, "added_at": now, "updated_at": now}])
    sync(systems, folder)


def synchronise(systems: LocalSystems, folder: Path, made_up: World) -> None:
    """Records on both sides and in the database, as a first run leaves them."""
    values = {**systems.environment(), "TL_HUBSPOT_DATA": str(folder)}
    made = Platform(configuration.load(values, directory=folder), RunOptions(full=True))
    run = made.run("filled")
    mirroring.definitions(made, run)
    stamp = {"_loaded_at": made.clock(), "_run_id": run.run_id}
    for kind in RECORDS:
        systems.teamleader.load(kind, made_up.teamleader(kind))
        for batch in batched(made_up.teamleader(kind), 10_000):
            store(made, kind, batch, stamp)
    with made.warehouse.transaction() as con:
        for kind, column in zip(RECORDS, ("links_read_at", "links_read_at", "phase_history_read_at"), strict=True):
            con.execute(f"update teamleader.{kind} set {column} = ?", [made.clock()])
    deciding.links(made, run)
    deciding.contacts(made, run)
    deciding.companies(made, run)
    deciding.deals(made, run)
    for name in ("contacts", "companies", "deals", "relations"):
        deciding.eligible_records(made, run, name)
    planning.store(made, run, planning.make(made, run), "")
    with made.warehouse.transaction() as con:
        con.execute("set memory_limit = '6GB'")  # all at once, as no run does it
        con.execute(AS_PUSHED)
        for entity_type, name in OBJECTS.items():
            systems.hubspot.load_objects(name, objects(con, entity_type))
        for (from_type, to_type, is_primary), type_id in ASSOCIATIONS.items():
            pairs = con.execute(
                "select from_id, to_id from related where from_type = ? and to_type = ? and is_primary = ?",
                [from_type, to_type, is_primary],
            ).fetchall()
            names = OBJECTS[from_type], OBJECTS[to_type]
            systems.hubspot.load_associations(*names, ((a, b, type_id) for a, b in pairs))
    made.close_run(run.run_id, "done")
    made.close()


def objects(con: duckdb.DuckDBPyConnection, entity_type: str) -> Iterator[dict[str, Any]]:
    """HubSpot's records as the plan wants them, opt-outs and marketing status too."""
    wanted = con.execute(
        "select id, said, coalesce(d.opted_out, false), coalesce(e.marketing, false) from made m"
        " left join (select 'contact' as entity_type, * from decisions.contacts) d using (entity_type, teamleader_id)"
        " left join (select 'contact' as entity_type, * from eligible.contacts) e using (entity_type, teamleader_id)"
        " where m.entity_type = ? order by id",
        [entity_type],
    )
    at = "2026-01-01T00:00:00.000Z"
    while rows := wanted.fetchmany(10_000):
        for id, said, opted_out, marketing in rows:
            record = {"id": id, "properties": json.loads(said), "createdAt": at, "updatedAt": at}
            yield record | ({"opted_out": opted_out, "marketable": marketing} if entity_type == "contact" else {})


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--contacts", type=int, default=10_000)
    parser.add_argument("--changes", type=int, nargs="+", default=[1_000])
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path("data") / f"later-{given.contacts}"
    folder.mkdir(parents=True, exist_ok=True)
    with LocalSystems("empty", state=folder / "systems", teamleader_limit=False, hubspot_limit=False) as systems:
        made_up = world("generated", contacts=given.contacts, deals=given.contacts // 2, as_of=systems.clock.now())
        if not (folder / "ready").exists():
            before = time.perf_counter()
            begin(systems, folder, made_up)
            synchronise(systems, folder, made_up)
            print(f"put in place in {time.perf_counter() - before:.0f} s")
            used = sync(systems, folder)
            print(f"the run after it: {used}")
            if used["writes"]:
                raise SystemExit("what was put in place is not what a run leaves")
            (folder / "ready").touch()
        with Results("later_runs", given.json) as results:
            for title in ("nothing changed", "nothing changed again"):
                results.add(title, given.contacts, **sync(systems, folder), least_writes=0)
            for changes in given.changes:
                for row in random.Random(time.time_ns()).sample(range(given.contacts), changes):
                    contact = made_up.source.contact(row)["id"]  # type: ignore[attr-defined]
                    systems.teamleader.update("contacts", contact, first_name=f"Anders {time.time_ns()}")
                used = sync(systems, folder)
                results.add(f"{changes:,} contacts changed", given.contacts, **used, least_writes=least(folder))
                results.add(
                    f"the run after {changes:,} changes", given.contacts, **sync(systems, folder), least_writes=0
                )


if __name__ == "__main__":
    main()
