"""`python copying.py SOURCE TARGET BLOCK`: TARGET, an older copy of SOURCE or empty, becomes equal to it.

Only blocks (of BLOCK bytes) whose checksum differs are read and written: DuckDB begins each block of a file with its
checksum, after three headers. A program of its own: DuckDB's lock on a file is lost by the process that opens and
closes the same file by other means. It needs nothing but the standard library, so that it starts at once. Exit code 3:
somebody reads TARGET, so it stays.
"""

from __future__ import annotations

import fcntl
import os
import sys

HEADERS = 3 * 4096
CHECKSUM = 8
IN_USE = 3


def make_equal(source: str, target: str, block: int) -> int:
    """The exit code; OSError when a file cannot be read or written."""
    old, new = os.open(target, os.O_RDWR), os.open(source, os.O_RDONLY)
    try:
        fcntl.lockf(old, fcntl.LOCK_EX | fcntl.LOCK_NB)  # readers hold a lock that this one would break
    except OSError:
        return IN_USE
    size, there = os.fstat(new).st_size, os.fstat(old).st_size
    os.ftruncate(old, size)
    os.pwrite(old, os.pread(new, HEADERS, 0), 0)
    for at in range(HEADERS, size, block):
        if at + block > there or os.pread(new, CHECKSUM, at) != os.pread(old, CHECKSUM, at):
            os.pwrite(old, os.pread(new, block, at), at)
    os.fsync(old)
    return 0


if __name__ == "__main__":
    sys.exit(make_equal(sys.argv[1], sys.argv[2], int(sys.argv[3])))
