"""Those that bring changed contacts to HubSpot: how each is started, on what, and what it leaves behind.

The rivals get a table `changed` in DuckDB (teamleader_id, firstname, lastname, updated_at), the product the same
changes as a stored plan, made by its own `sync` from edits in Teamleader. What is asked of them is in `loading`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
from installed import HERE, PYTHON
from stage import Stage

from tl_hubspot.warehouse.store import Warehouse

Command = Sequence[str | Path]
HELD = {"TL_HUBSPOT_GUARDS__UPDATES_SHARE": "0", "TL_HUBSPOT_GUARDS__UPDATES_MINIMUM": "0"}
RAISED = {f"TL_HUBSPOT_GUARDS__{what}_MINIMUM": "1000000" for what in ("CREATES", "UPDATES", "UNSUBSCRIBES")}
"""A guard that holds every plan with an update, and guards that hold none."""


class Changed(NamedTuple):
    """A contact as it should be in HubSpot; `updated_at` is text: drt's dead-letter queue takes no timestamps."""

    teamleader_id: str
    firstname: str
    lastname: str
    updated_at: str


class Loader:
    """A rival: a fresh folder per case, with the table `changed` and its own memory."""

    name: str
    words: str
    each_write = "contacts/batch/"
    """Part of the path of its writing calls."""
    per_call = 100

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.folder = stage.folder / self.name

    def fresh(self, rows: Sequence[Changed]) -> None:
        """A folder in which nothing was ever loaded."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        text = "\n".join("\t".join(map(str, row)) for row in rows)
        (self.folder / "changed.tsv").write_text(text)
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as con:
            con.execute(
                "create table changed as select * from read_csv(?, delim = '\t', header = false, columns ="
                " {teamleader_id: 'text', firstname: 'text', lastname: 'text', updated_at: 'text'})",
                [str(self.folder / "changed.tsv")],
            )

    def environment(self) -> dict[str, str]:
        return self.stage.environment(self.folder)

    def load(self) -> Command:
        """Loads what is new in the table."""
        raise NotImplementedError

    def again(self) -> Command:
        """What is run after it was killed."""
        return self.load()

    def kept(self) -> int:
        """Failed contacts that it remembers, to try them again."""
        return 0


class Drt(Loader):
    """`drt run` with one of the projects in `drt/`."""

    def fresh(self, rows: Sequence[Changed]) -> None:
        super().fresh(rows)
        (self.folder / "syncs").mkdir()
        (self.folder / ".drt").mkdir()
        shutil.copy(HERE / "drt" / f"{self.name.removeprefix('drt_')}.yml", self.folder / "syncs" / "contacts.yml")
        (self.folder / "drt_project.yml").write_text("name: rivals\nprofile: local\n")
        (self.folder / ".drt" / "profiles.yml").write_text("local: {type: duckdb, database: warehouse.duckdb}\n")

    def load(self) -> Command:
        return [PYTHON, HERE / "hubspot_drt.py", "run", "--output", "json"]

    def kept(self) -> int:
        file = self.folder / ".drt" / "dlq" / "contacts.jsonl"
        return len(file.read_text().splitlines()) if file.exists() else 0


class DrtHubspot(Drt):
    name, words = "drt_hubspot", "drt, HubSpot destination"
    each_write, per_call = "objects/contacts/", 1


class DrtRestApi(Drt):
    name, words = "drt_rest_api", "drt, REST API destination in batches"


class HubspotClient(Loader):
    name, words = "hubspot_api_client", "hubspot-api-client script"

    def load(self) -> Command:
        return [PYTHON, HERE / "hubspot_client.py", "warehouse.duckdb", "state"]

    def kept(self) -> int:
        return 0 if (self.folder / "state").exists() else self._rows()

    def _rows(self) -> int:
        with duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True) as con:
            return con.execute("select count(*) from changed").fetchone()[0]  # type: ignore[index]


class Ours(Loader):
    """The product: `approve` pushes the plan that a `sync` has made and a guard has held."""

    name, words = "tl_hubspot", "tl_hubspot"
    digest = ""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        stage.place(self.name)

    def fresh(self, rows: Sequence[Changed]) -> None:
        """It keeps its folder: the plan was made in it."""

    def environment(self) -> dict[str, str]:
        return self.stage.environment(self.folder) | RAISED

    def plan(self) -> None:
        """Reads what changed and makes the plan; changes nothing in HubSpot."""
        self.stage.run(self.again(), self.stage.environment(self.folder) | HELD, self.folder, 3)
        query = "select digest from sync.runs where status = 'held' order by started_at desc limit 1"
        self.digest = self._warehouse().read(query).item()

    def sync(self) -> None:
        """A whole run that nobody measures."""
        self.stage.run(self.again(), self.environment(), self.folder, 0, 1)

    def load(self) -> Command:
        return [sys.executable, "-m", "tl_hubspot", "approve", self.digest]

    def again(self) -> Command:
        return [sys.executable, "-m", "tl_hubspot", "sync"]

    def kept(self) -> int:
        return int(self._warehouse().read("select count(*) from sync.failures").item())

    def _warehouse(self) -> Warehouse:
        return Warehouse(self.folder / "tl_hubspot.duckdb")


RIVALS: tuple[type[Loader], ...] = (DrtHubspot, DrtRestApi, HubspotClient)
