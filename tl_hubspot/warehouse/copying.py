"""`python copying.py SOURCE TARGET`: TARGET, an older copy of SOURCE, becomes equal to it by writing what differs.

A program of its own: DuckDB's lock on a file is lost by the process that opens and closes the same file by other means.
It needs nothing but the standard library, so that it starts at once. Exit code 3: somebody reads TARGET, so it stays.
"""

from __future__ import annotations

import fcntl
import os
import sys

BLOCK = 1 << 20
IN_USE = 3


def make_equal(source: str, target: str) -> int:
    """The exit code; OSError when a file cannot be read or written."""
    old, new = os.open(target, os.O_RDWR), os.open(source, os.O_RDONLY)
    try:
        fcntl.lockf(old, fcntl.LOCK_EX | fcntl.LOCK_NB)  # readers hold a lock that this one would break
    except OSError:
        return IN_USE
    size = os.fstat(new).st_size
    os.ftruncate(old, size)
    wanted, there = bytearray(BLOCK), bytearray(BLOCK)
    at = 0
    while at < size:
        length = os.preadv(new, [wanted], at)
        if os.preadv(old, [there], at) != length or wanted != there:
            os.pwrite(old, memoryview(wanted)[:length], at)
        at += length
    os.fsync(old)
    return 0


if __name__ == "__main__":
    sys.exit(make_equal(*sys.argv[1:]))
