"""Names for people that tell nobody who is meant: addresses and ids hashed with a key that stays in the data folder.

The key is a file of its own beside the database, readable by its owner only: whoever gets a copy of the database cannot
try addresses out. Without it the rows stay what they are, but nobody can say any more whom they mean.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from tl_hubspot.errors import ConfigurationError

FILE = "pseudonyms.key"


class Pseudonyms:
    """Hashes under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, kind: str, value: str) -> str:
        """Hash (64 hexadecimal digits) of a value; the same value of another kind has another one."""
        return hashlib.blake2b(f"{kind}\0{value}".encode(), key=self._key, digest_size=32).hexdigest()

    def address(self, address: str | None) -> str | None:
        """Hash of a normalised address; None for none."""
        return self.of("address", address) if address else None


def load(folder: Path, *, in_use: bool) -> Pseudonyms:
    """The pseudonyms of a data folder; a key is made when there is none.

    `in_use`: there are hashes already, so that a missing key is a loss. Raises ConfigurationError for that, and when
    the file cannot be read or made.
    """
    path = folder / FILE
    try:
        text = path.read_text(encoding="ascii").strip() if path.exists() else None
        if text is None and in_use:
            raise ConfigurationError(
                "The key of the hashed addresses is missing, so nobody that was erased would be recognised",
                where=str(path),
                mend="Put it back from a copy of the data folder; if it is lost, make an empty file there and all"
                " hashes from before are given up",
            )
        if not text:
            text = secrets.token_hex(32)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
                file.write(f"{text}\n")
                file.flush()
                os.fsync(file.fileno())
            path.chmod(0o600)
        return Pseudonyms(bytes.fromhex(text))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no hexadecimal number"
        raise ConfigurationError(
            f"The key of the hashed addresses cannot be used: {reason}",
            where=str(path),
            mend="Put it back from a copy of the data folder",
        ) from None
