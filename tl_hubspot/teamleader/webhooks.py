"""Webhooks at Teamleader: which events the sync wants, what they say must be read, and registering for them.

Receiving and keeping events is the business of `tl_hubspot.webhooks`; reading the records that they name of
`orchestration.steps.named`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests

from tl_hubspot import decoding
from tl_hubspot.errors import BadAnswer, ConfigurationError, CredentialsRefused, Unreachable
from tl_hubspot.teamleader.client import API_VERSION, SYSTEM, Forbidden, Reaction, TeamleaderClient, reaction
from tl_hubspot.teamleader.extraction import Stream

STREAMS: Mapping[str, Stream] = {"contact": "contacts", "company": "companies", "deal": "deals"}
_CHANGES = {
    "contact": ("added", "updated", "deleted", "linkedToCompany", "unlinkedFromCompany", "updatedLinkToCompany"),
    "company": ("added", "updated", "deleted"),
    "deal": ("created", "updated", "deleted", "moved", "won", "lost"),
}
TYPES = tuple(f"{kind}.{change}" for kind, changes in _CHANGES.items() for change in changes)
"""The event types to register for; every one names a contact, company or deal."""
_LINKS = frozenset({"contact.linkedToCompany", "contact.unlinkedFromCompany", "contact.updatedLinkToCompany"})
# a link that is made together with a record need not have an event of its own
_WITH_LINKS = _LINKS | {"contact.added", "company.added"}
_MOVES = frozenset({"deal.moved", "deal.won", "deal.lost"})

_ATTEMPTS = 6
_TIMEOUT = (10.0, 60.0)


@dataclass(frozen=True)
class Named:
    """Ids that events name: records to read, those of them whose links to read, and deals whose phases to read."""

    records: Mapping[Stream, frozenset[str]]
    linked_contacts: frozenset[str] = frozenset()
    linked_companies: frozenset[str] = frozenset()
    moved_deals: frozenset[str] = frozenset()


def named(events: Iterable[tuple[str, str | None]]) -> Named:
    """What events (type, subject id) name, however often and in whatever order; unknown types name nothing."""
    subjects: dict[str, set[str]] = {name: set() for name in TYPES}
    for name, subject in events:
        if subject is not None and name in subjects:
            subjects[name].add(subject.lower())

    def of(kind: str, types: Iterable[str]) -> frozenset[str]:
        return frozenset().union(*(subjects[t] for t in types if t.startswith(f"{kind}.")))

    return Named(
        {stream: of(kind, TYPES) for kind, stream in STREAMS.items()},
        of("contact", _WITH_LINKS),
        of("company", _WITH_LINKS),
        of("deal", _MOVES),
    )


@dataclass(frozen=True)
class Registration:
    """A registered address and its event types; `url` may hold a secret: show `shown`, which never does."""

    url: str
    types: frozenset[str]

    def __repr__(self) -> str:
        return f"Registration({self.shown!r}, {len(self.types)} types)"

    @property
    def shown(self) -> str:
        """The address with the last part of its path masked."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path.rpartition('/')[0]}/***"

    def is_at(self, base: str) -> bool:
        """Whether the address is `base` and one more part of a path."""
        return self.url.rpartition("/")[0] == base.rstrip("/")

    def has(self, secret: str) -> bool:
        """Whether the address ends in the secret."""
        return self.url.rpartition("/")[2] == secret


def registrations(client: TeamleaderClient) -> list[Registration]:
    """What this integration has registered in the account."""
    data = _call(client, "webhooks.list", {})
    try:
        items = decoding.convert(data["data"], list[_Item])
    except (TypeError, KeyError, msgspec.ValidationError):
        raise BadAnswer(
            "Teamleader's list of webhooks does not have the expected shape", where="webhooks.list"
        ) from None
    return [Registration(item.url, frozenset(item.types)) for item in items]


def register(client: TeamleaderClient, base: str, secret: str) -> list[Registration]:
    """Have `TYPES`, and no others, sent to `base`/`secret`; returns all registrations. No write when that is so.

    ConfigurationError for an address that Teamleader would not call.
    """
    url = f"{_checked(base)}/{secret}"
    types = next((r.types for r in registrations(client) if r.url == url), frozenset())
    if missing := sorted(set(TYPES) - types):
        _call(client, "webhooks.register", {"url": url, "types": missing})
    if surplus := sorted(types - set(TYPES)):
        _call(client, "webhooks.unregister", {"url": url, "types": surplus})
    return registrations(client)


def unregister(client: TeamleaderClient, *, secret: str | None, base: str | None = None) -> list[Registration]:
    """Take back what was registered with `secret`, or everything at `base`; returns what was taken back."""
    gone = [
        r
        for r in registrations(client)
        if r.types and ((secret is not None and r.has(secret)) if base is None else r.is_at(base))
    ]
    for registration in gone:
        _call(client, "webhooks.unregister", {"url": registration.url, "types": sorted(registration.types)})
    return gone


class _Item(msgspec.Struct):
    url: str
    types: list[str]


def _checked(base: str) -> str:
    try:
        parts = urlsplit(base)
        local = parts.hostname in ("127.0.0.1", "localhost", "::1")
        usable = bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and local))
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or parts.username:
        raise ConfigurationError(
            "Teamleader cannot call that address",
            where="--url",
            mend="Write the public address in front of the receiver, like https://hooks.example.com/teamleader; the"
            " secret is added",
        )
    return base.rstrip("/")


def _call(client: TeamleaderClient, endpoint: str, body: dict[str, Any]) -> Any:
    """The JSON of the answer, None for one without a body. Registering twice is harmless, so failures are tried again.

    `client.call` is for reading: it takes an answer without data for a broken one.
    """
    where = f"{client.api_url}/{endpoint}"
    renewed = False
    for attempt in range(_ATTEMPTS):
        token = client.grant.access_token()
        client.window.acquire()
        client.meter.count(SYSTEM, "reads" if endpoint.endswith(".list") else "writes")
        try:
            response = requests.post(
                where,
                json=body,
                headers={"Accept": "application/json", "X-Api-Version": API_VERSION},
                auth=_bearer(token),
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        except requests.RequestException:
            client.sleep(2.0**attempt)
            continue
        if response.status_code == 204:
            return None
        match reaction(response.status_code):
            case Reaction.USE:
                return _json(response, where)
            case Reaction.RENEW_TOKEN if not renewed:
                renewed = True
                client.grant.renew(refused=token)
            case Reaction.RENEW_TOKEN:
                raise CredentialsRefused("Teamleader refuses the access token that it has just given", where=where)
            case Reaction.FORBIDDEN:
                raise Forbidden(
                    f"Teamleader does not allow {endpoint}", where=where, mend="Sign in as an administrator"
                )
            case Reaction.WAIT | Reaction.RETRY:
                client.sleep(60.0 if response.status_code == 429 else 2.0**attempt)
            case _:
                # never Teamleader's own words: they may repeat the address, and with it the secret
                raise BadAnswer(
                    f"Teamleader answered {response.status_code}", where=where, mend="Check --url: it must be public"
                )
    raise Unreachable(
        f"Teamleader gave no usable answer after {_ATTEMPTS} attempts", where=where, mend="Try again later"
    )


def _json(response: requests.Response, where: str) -> Any:
    try:
        return decoding.decode(response.content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadAnswer("Teamleader's answer is no JSON", where=where) from None


def _bearer(token: str) -> Any:
    """Sets the header itself: without an `auth` requests would prefer credentials of a .netrc file."""

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return sign
