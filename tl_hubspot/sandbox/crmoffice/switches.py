"""What is uncertain about Crmoffice as switches: the capabilities of its contract, and settings of the server.

Only the values live here; the module that answers the request looks at them each time, so a change works at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from tl_hubspot.sandbox.switching import Switchable

Name = Literal["givenName", "familyName", "mobilePhone", "directPhone"]


@dataclass
class Switches(Switchable):
    """Every switch, settable at run time. The first ten are the capabilities, named and with defaults as the contract
    has them."""

    write: Literal["patch", "put_full"] = "patch"
    """The one update verb that exists; the other answers 405."""
    modified_timestamp: bool = False
    """Contacts carry `modifiedAt`."""
    since_filter: bool = False
    """`modifiedSince` filters; without it the parameter is ignored."""
    delete_feed: bool = False
    """`contacts/deleted` exists."""
    etag: bool = False
    """Answers of one contact carry `ETag`, and `If-Match` is honoured."""
    idempotency_key: bool = False
    """`Idempotency-Key` on POST is honoured."""
    page_style: Literal["offset", "none", "cursor"] = "offset"
    """How long lists are divided."""
    canonicalises: list[Name] = field(default_factory=list)
    """Names whose values are rewritten on API writes."""
    required_fields: list[Name] = field(default_factory=list)
    """Names that are never empty after an API write."""
    refresh_rotation: Literal["grace", "strict", "off"] = "grace"
    """When a refresh token dies: at the first use of what replaced it, at once, never."""

    country_code: str = "+47"
    """Put before eight digits without a country by `canonicalises`."""
    list_lag: float = 0.0
    """Seconds for which lists still show the values from before a change (the contract allows up to 30)."""
    absent_keys: list[Name | Literal["company", "title"]] = field(default_factory=list)
    """Keys that contacts in answers lack: unknown, not empty."""
    rate_limit: int | None = None
    """Resource calls per sliding 10 s and client; None: no limit."""
    access_seconds: float = 3600.0
    """Life of an access token."""
    person: Literal["approve", "deny"] = "approve"
    """What the person at the sign-in page says."""

    @property
    def capabilities(self) -> str:
        """The ten capabilities as one string of the contract's grammar, all of them named."""
        return ",".join(f"{name}={_written(getattr(self, name))}" for name in CAPABILITIES)


CAPABILITIES = tuple(switch.name for switch in fields(Switches))[:10]


def capabilities(text: str) -> dict[str, Any]:
    """Switches of a capability string: `name=value` pairs joined by commas. ValueError: unknown name or value."""
    default, given = Switches(), dict[str, Any]()
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = pair.partition("=")
        if name not in CAPABILITIES or name in given:
            raise ValueError(f"{name!r} is no capability, or is given twice; known are {', '.join(CAPABILITIES)}")
        before = getattr(default, name)
        if isinstance(before, bool):
            if value not in ("0", "1"):
                raise ValueError(f"capability {name} is 0 or 1, not {value!r}")
            given[name] = value == "1"
        elif isinstance(before, list):
            given[name] = [] if value == "-" else value.split("+")
        else:
            given[name] = value
    default.change(**given)
    return given


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return ("+".join(value) or "-") if isinstance(value, list) else str(value)
