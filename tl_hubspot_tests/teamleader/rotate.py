"""A process that refreshes the grant again and again, saying so after each time (run by the tests of the store)."""

from __future__ import annotations

import sys
from pathlib import Path

import requests

from tl_hubspot.teamleader.tokens import TokenGrant, TokenStore


def main(url: str, store: str, first_token: str, rounds: int) -> None:
    grant = TokenGrant(
        url, "sandbox-client", "sandbox-secret", first_token, TokenStore(Path(store)), session=requests.Session()
    )
    token = grant.access_token()
    for number in range(rounds):
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        token = grant.renew(refused=token)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
