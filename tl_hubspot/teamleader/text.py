"""JSON as Teamleader sends it, made readable: half characters that no reader accepts.

Only what would make a whole answer unreadable is touched. What a damaged text means for its record is judged where
records are stored.
"""

from __future__ import annotations

import re

_SUSPECT = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def mended(content: bytes) -> bytes:
    r"""JSON text with every escaped half of a surrogate pair (`\ud83d` alone) as U+FFFD; all else as it was.

    PHP cuts texts by bytes or 16-bit units, so that an emoji at the end of a field may lose its second half; one such
    text would make the page of a hundred records unreadable.
    """
    if not _SUSPECT.search(content):
        return content
    return _ESCAPE.sub(lambda match: rb"\ufffd" if match["half"] else match[0], content)
