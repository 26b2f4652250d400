"""Publishing the analysts' copy while others read it: seconds per copy, and how long readers wait.

Usage: `python benchmarks/publish.py [--contacts 100000] [--folder DIR] [--json FILE]`, on the database of
`decide_and_plan.py`. A copy takes the place of the last but one, of which it writes only what differs; the first two
are whole, and so is one while somebody keeps the last but one open. A reader, a process of its own, opens the copy
again and again, counts contacts and closes it; another connection of it stays open.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import duckdb
from filled import filled, platform
from measuring import Results, arguments

COPIES = 5


def read(copy: Path) -> None:
    """What the reader does until its standard input ends: tells opens, errors and the longest wait in seconds."""
    opened, errors, longest, seen = 0, [], 0.0, set()
    kept = duckdb.connect(str(copy), read_only=True)
    first = kept.execute("select count(*) from teamleader.contacts").fetchall()
    print("ready", flush=True)
    while not (Path(copy.parent) / ".read").exists():
        before = time.perf_counter()
        try:
            with duckdb.connect(str(copy.resolve()), read_only=True) as con:
                seen.add(con.execute("select count(*), max(last_name) from teamleader.contacts").fetchall()[0])
        except (duckdb.Error, OSError) as error:
            errors.append(str(error))
        opened, longest = opened + 1, max(longest, time.perf_counter() - before)
        time.sleep(0.02)
    if kept.execute("select count(*) from teamleader.contacts").fetchall() != first:
        errors.append("the connection that was kept open gave something else")
    print(json.dumps({"opened": opened, "errors": errors, "longest": longest, "versions": len(seen)}))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        read(given.read)
        return
    folder = given.folder or Path("data") / f"benchmark-{given.contacts}"
    filled(folder, given.contacts)
    made = platform(folder, {})
    copy, done = made.settings.published, folder / ".read"
    made.take_lock()
    for old in folder.glob(f"{copy.stem}*"):
        old.unlink()
    done.unlink(missing_ok=True)

    def published() -> float:
        before = time.perf_counter()
        made.warehouse.publish(copy)
        return time.perf_counter() - before

    with Results("publish", given.json) as results:
        mib = made.warehouse.size() / 2**20
        results.add("first copy", given.contacts, seconds=published(), size_mib=mib)
        reader = subprocess.Popen([sys.executable, __file__, "--read", copy], stdout=subprocess.PIPE, text=True)
        assert reader.stdout is not None and reader.stdout.readline() == "ready\n"
        results.add("second copy", given.contacts, seconds=published())
        results.add("while the older one is kept open", given.contacts, seconds=published())
        took = []
        for number in range(COPIES):
            with made.warehouse.transaction() as con:
                name = f"Zz {number}"
                con.execute("update teamleader.contacts set last_name = ? where hash(id) % 100 = 0", [name])
            took.append(published())
        done.touch()
        told = json.loads(reader.communicate()[0])
        done.unlink()
        if told["errors"]:
            raise SystemExit(f"readers failed: {told['errors'][:3]}")
        results.add("every 100th contact changed", given.contacts, seconds=median(took), slowest_seconds=max(took))
        results.add(
            "readers meanwhile",
            given.contacts,
            opened=told["opened"],
            errors=len(told["errors"]),
            longest_wait_seconds=told["longest"],
            versions_seen=told["versions"],
        )
    made.close()


if __name__ == "__main__":
    main()
