"""The warehouse on DuckLake instead of in one file: its catalog in PostgreSQL, its rows in Parquet files.

Lives here: attaching it, whose it is, and what a connection to it is told that a file needs not. The SQL is the same,
so everything else is `store`'s.
"""

from __future__ import annotations

import contextlib
import importlib.util
import random
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import duckdb

from tl_hubspot.errors import ConfigurationError, WarehouseError
from tl_hubspot.warehouse import schema
from tl_hubspot.warehouse.rows import TEXTS
from tl_hubspot.warehouse.upgrade import MARK

_EXTENSIONS = ("httpfs", "postgres_scanner", "ducklake")
"""In the order in which they need each other."""
_CONFIG = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # they come from the index as DuckDB itself does; to check their 100 MB again takes a second of each opening
    "allow_unsigned_extensions": "true",
    # both ask the catalog for each column of a table without rows, one by one: half a second for a wide one. Joins are
    # made in the order in which they are written; which side is the smaller one is still found out
    "disabled_optimizers": "statistics_propagation,join_order",
    "memory_limit": "512MB",
    **TEXTS,
}
_PATIENCE = "connect_timeout=10 keepalives_idle=30 keepalives_interval=10 keepalives_count=3 tcp_user_timeout=60000"
"""Seconds (the last: milliseconds) until a catalog whose machine or network is gone counts as lost."""
_NAME = "lake"
_TRIES = 5
_NONE_YET = "Existing DuckLake"
"""… does not exist, says DuckDB: the catalog answered, and nobody made this warehouse."""
_BEFORE_THE_POINT = re.compile(r'^(?:[A-Z]\w*(?: \w+)* Error: )?(?:.*Unable to connect to Postgres at "[^"]*": )?')
"""What DuckDB says before what is wrong."""
_AFTER_THE_POINT = re.compile(r" LINE \d+: .*")
"""Its own query that met it, which nobody wrote."""
_LOST = ('execute query "ROLLBACK"', "server closed the connection", "terminating connection", "no connection to the")
"""What DuckDB says when PostgreSQL is gone, about some statement of its own."""
OF_THE_STATEMENT = (duckdb.ProgrammingError, duckdb.DataError, duckdb.IntegrityError, duckdb.NotSupportedError)
"""Errors that a statement of ours would also have with a file; all others are of the catalog or of the files."""
_attaching = threading.Lock()
T = TypeVar("T")


class Conflict(WarehouseError):
    """Another connection changed the same table meanwhile; nothing of this transaction was stored."""


@dataclass(frozen=True)
class Bucket:
    """How S3-compatible storage is reached; None: as Amazon's own."""

    endpoint: str | None = None
    region: str | None = None
    key_id: str | None = None
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Lake:
    """Where a warehouse on DuckLake is.

    `catalog`: `postgresql://user:password@host:port/database`; `files`: folder or `s3://bucket/prefix`; `name`: schema
    of the catalog, one for each deployment.
    """

    catalog: str = field(repr=False)
    files: str
    name: str = "tl_hubspot"
    bucket: Bucket = Bucket()

    @property
    def where(self) -> str:
        """As it is named in sentences: without user and password."""
        parts = urlsplit(self.catalog)
        port = f":{parts.port}" if parts.port else ""
        return f"{self.name} at {parts.hostname}{port}{parts.path}, files in {self.files}"

    def open(self, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
        """A connection whose unqualified tables are the lake's. Connections of a process share one attachment, for as
        long as any is open.

        Raises WarehouseError when the catalog or the files cannot be reached or are of another version.
        """
        con = duckdb.connect(f":memory:{self.name} {hash((self, read_only))}", config=dict(_CONFIG))
        try:
            with _attaching:
                if not con.execute("select 1 from duckdb_databases() where database_name = ?", [_NAME]).fetchall():
                    self._attach(con, read_only)
            con.execute(f"use {_NAME}")
            con.execute("set TimeZone = 'UTC'")
        except duckdb.Error as error:
            con.close()
            raise self.unusable(error) from None
        except BaseException:
            con.close()
            raise
        return con

    def _attach(self, con: duckdb.DuckDBPyConnection, read_only: bool) -> None:
        self.prepare(con)
        options = {"data_path": self.files.rstrip("/") + "/", "metadata_schema": self.name, "meta_secret": "catalog"}
        more = ", read_only, create_if_not_exists false" if read_only else ""
        con.execute(f"attach 'ducklake:postgres:{_PATIENCE}' as {_NAME} ({_options(options)}{more})")

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """Load the extensions and tell them the secrets (`catalog`, `files`)."""
        for name in _EXTENSIONS:
            con.execute(f"load '{_extension(name)}'")
        parts = urlsplit(self.catalog)
        secret = {
            "host": parts.hostname or "localhost",
            "port": str(parts.port or 5432),
            "database": unquote(parts.path.removeprefix("/")),
            "user": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
        }
        con.execute(f"create secret catalog (type postgres, {_options(secret)})")
        if self.files.startswith("s3://"):
            given = {"endpoint": self.bucket.endpoint, "region": self.bucket.region}
            given |= {"key_id": self.bucket.key_id, "secret": self.bucket.secret}
            if self.bucket.endpoint:
                # stores of one's own have no address per bucket
                given["endpoint"] = self.bucket.endpoint.partition("://")[2] or self.bucket.endpoint
                given |= {"url_style": "path", "use_ssl": str(not self.bucket.endpoint.startswith("http://")).lower()}
            con.execute(f"create secret files (type s3, {_options({k: v for k, v in given.items() if v})})")

    def exists(self) -> bool:
        """Whether it was made."""
        try:
            with contextlib.closing(self.open(read_only=True)) as con:
                found = "select 1 from duckdb_tables() where database_name = ? and schema_name = 'meta'"
                return bool(con.execute(found, [_NAME]).fetchall())
        except WarehouseError as error:
            if _NONE_YET in error.what:
                return False
            raise

    def size(self, con: duckdb.DuckDBPyConnection) -> int:
        """Bytes of the files that hold today's rows."""
        query = f"select coalesce(sum(file_size_bytes + delete_file_size_bytes), 0) from ducklake_table_info('{_NAME}')"
        return int(con.execute(query).fetchall()[0][0])

    def commit(self, con: duckdb.DuckDBPyConnection, run_id: str | None) -> None:
        """Commit; the snapshot carries the id of the run. WarehouseError, with nothing stored, after a conflict."""
        try:
            con.execute(f"call {_NAME}.set_commit_message('tl_hubspot', ?)", [run_id or ""]).fetchall()
            con.execute("commit")
        except duckdb.Error as error:
            raise self.unusable(error) from None

    def unusable(self, error: duckdb.Error) -> WarehouseError:
        """What DuckDB says, as a sentence without a password."""
        said = " ".join(str(error).split())  # what went wrong may stand in the second line
        said = _AFTER_THE_POINT.sub("", _BEFORE_THE_POINT.sub("", said))
        if any(lost in said for lost in _LOST):
            said = "the connection to its catalog was lost; what was being written is not stored"
        secrets = (unquote(urlsplit(self.catalog).password or ""), self.bucket.secret or "")
        for secret in filter(None, secrets):
            said = said.replace(secret, "…")
        lower = said.lower()
        if "conflict" in lower:
            what = f"Another program writes to the same table of the warehouse: {said}"
            return Conflict(what, where=self.where, mend="Let only one do so, and try again")
        if "version" in lower:
            mend = "Use the version of DuckDB and its extensions that the extra `lake` names"
        elif self.files.startswith("s3://") and ("http" in lower or "s3" in lower):
            mend = (
                "Check TL_HUBSPOT_WAREHOUSE__FILES and TL_HUBSPOT_WAREHOUSE__S3_ENDPOINT, and that the key may read,"
                " write and delete there"
            )
        else:
            mend = "Check TL_HUBSPOT_WAREHOUSE__CATALOG, and that PostgreSQL runs and lets this user in"
        return WarehouseError(f"The warehouse cannot be used: {said}", where=self.where, mend=mend)


def again(write: Callable[[], T]) -> T:
    """What `write`, a whole transaction, returns; done once more, up to five times, after a conflict."""
    for attempt in range(_TRIES - 1):
        try:
            return write()
        except Conflict:
            time.sleep(random.uniform(0.05, 0.1) * 2**attempt)
    return write()


def claim(con: duckdb.DuckDBPyConnection, lake: Lake, data: Path) -> None:
    """Be the deployment whose warehouse this is; WarehouseError when another one is (another data folder)."""
    file = data / "deployment.id"
    if not file.exists():
        with contextlib.suppress(FileExistsError), file.open("x") as new:
            new.write(str(uuid.uuid4()))
    ours = file.read_text().strip()
    known = "select id, place from meta.owner"
    try:
        owner, place = con.execute(known).fetchall()[0]
    except duckdb.CatalogException:
        with contextlib.suppress(duckdb.Error):  # of two that come at the same time one makes it
            con.execute("create table meta.owner as select ? as id, ? as place", [ours, str(data.resolve())])
        owner, place = con.execute(known).fetchall()[0]
    if owner != ours:
        raise WarehouseError(
            f"The warehouse belongs to another deployment, whose data folder is {place}",
            where=lake.where,
            mend="Give each deployment its own TL_HUBSPOT_WAREHOUSE__NAME; when that folder moved, bring its"
            " deployment.id here",
        )


def copy(con: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Put the rows of every table into the same tables of the DuckDB file `target`, which are empty."""
    con.execute(f"attach '{str(target).replace(chr(39), chr(39) * 2)}' as published")
    try:
        con.execute("begin")
        con.execute(f"delete from published.{MARK}")
        for table in (MARK, *(table.name for table in schema.TABLES)):
            con.execute(f"insert into published.{table} by name select * from {_NAME}.{table}")
        con.execute("commit")
    except BaseException:
        with contextlib.suppress(duckdb.Error):  # what went wrong may have ended the transaction
            con.execute("rollback")
        raise
    finally:
        con.execute("detach published")


def _extension(name: str) -> Path:
    found = importlib.util.find_spec(f"duckdb_extension_{name}")
    if found is None or found.origin is None:
        raise ConfigurationError(
            f"A warehouse on DuckLake needs DuckDB's extension {name}", mend="pip install 'tl-hubspot[lake]'"
        )
    path = Path(found.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not path.exists():
        raise ConfigurationError(
            f"DuckDB's extension {name} is of another version than DuckDB {duckdb.__version__}",
            where=str(path.parent.parent),
            mend="Install both in the versions that tl-hubspot names: pip install 'tl-hubspot[lake]'",
        )
    return path


def _options(values: dict[str, str]) -> str:
    return ", ".join(f"{name} '{value.replace(chr(39), chr(39) * 2)}'" for name, value in values.items())
