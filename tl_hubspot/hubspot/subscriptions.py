"""Unsubscribe addresses from all e-mail. There is no way back in this module: the sync never re-subscribes anybody.

Which addresses, and what is remembered of it, is decided in `planning` and `pushing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tl_hubspot.hubspot import routes
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.reactions import Problem, Refused

BATCH = 100
"""Addresses per call: HubSpot names no limit."""

_GONE = (404, 410)
_CHANNEL = [("channel", "EMAIL")]
_LEGAL_BASIS = {
    "legalBasis": "LEGITIMATE_INTEREST_OTHER",
    "legalBasisExplanation": "The person unsubscribed or never gave consent in Teamleader.",
}


class _Opted(msgspec.Struct):
    subscriberIdString: str


class _BatchAnswer(msgspec.Struct):
    results: list[_Opted] = []


class Subscriptions:
    """Opt-outs of one portal; remembers for the run which routes the portal offers."""

    def __init__(self, gateway: HubSpotGateway) -> None:
        self._gateway = gateway
        self._batch = True
        self._v4: bool | None = None
        self._definitions: list[str] | None = None

    def unsubscribe(self, addresses: Sequence[str]) -> Iterator[tuple[str, Problem | None]]:
        """Unsubscribe addresses from all e-mail; yields each with None when it is unsubscribed now, or what is wrong.

        The batch route belongs to Marketing Hub Enterprise; elsewhere it is one call per address. May be repeated.
        """
        rest: list[str] = []
        for start in range(0, len(addresses), BATCH):
            chunk = addresses[start : start + BATCH]
            confirmed = self._many(chunk) if self._batch else set()
            for address in chunk:
                if address.lower() in confirmed:
                    yield address, None
                else:
                    rest.append(address)
        yield from self._gateway.run(self._one, rest)

    def opted_out(self, addresses: Sequence[str]) -> set[str]:
        """Those of the addresses that are unsubscribed from all e-mail, in lower case; one call each."""
        return {address.lower() for address, out in self._gateway.run(self._is_out, addresses) if out}

    def _is_out(self, address: str) -> bool:
        try:
            answer: dict[str, Any] = (
                self._gateway.call(
                    routes.UNSUBSCRIBED_ALL,
                    path={"email": address},
                    query=_CHANNEL,
                    expect=_GONE,
                    answer=dict[str, Any],
                )
                or {}
            )
        except Refused as refused:
            # HubSpot does not know the address, or offers no v4: v3 says of each subscription where its status is from
            return refused.problem.status in _GONE and not self._offers_v4() and self._is_out_v3(address)
        return any(status.get("status") == "UNSUBSCRIBED" for status in answer.get("results") or ())

    def _is_out_v3(self, address: str) -> bool:
        try:
            answer: dict[str, Any] = self._gateway.call(routes.STATUS_V3, path={"email": address}, expect=_GONE) or {}
        except Refused:
            return False
        statuses = answer.get("subscriptionStatuses") or ()
        return any(
            s.get("status") == "NOT_SUBSCRIBED" and s.get("sourceOfStatus") == "PORTAL_WIDE_STATUS" for s in statuses
        )

    def _many(self, addresses: Sequence[str]) -> set[str]:
        """The addresses that the batch route confirms; what it leaves out goes one by one."""
        try:
            answer: _BatchAnswer | None = self._gateway.call(
                routes.UNSUBSCRIBE_ALL_BATCH,
                answer=_BatchAnswer,
                query=[*_CHANNEL, ("verbose", "true")],
                body={"inputs": list(addresses)},
                expect=(403, *_GONE),
            )
        except Refused as refused:
            # 400 can be the fault of a single address, everything else concerns the route.
            self._batch = refused.problem.status == 400
            return set()
        return {opted.subscriberIdString.lower() for opted in answer.results} if answer else set()

    def _one(self, address: str) -> Problem | None:
        if self._v4 is False:
            return self._one_v3(address)
        try:
            self._gateway.call(routes.UNSUBSCRIBE_ALL, path={"email": address}, query=_CHANNEL, expect=_GONE)
        except Refused as refused:
            if refused.problem.status in _GONE and not self._offers_v4():
                return self._one_v3(address)
            return refused.problem
        return None

    def _offers_v4(self) -> bool:
        # A 404 can also mean that HubSpot does not know the address, so that the API itself is asked.
        if self._v4 is None:
            try:
                self._gateway.call(routes.DEFINITIONS_V4, expect=_GONE)
                self._v4 = True
            except Refused:
                self._v4 = False
        return self._v4

    def _one_v3(self, address: str) -> Problem | None:
        """v3 knows no "all": each subscription type is left, and the outcome is read back."""
        if self._definitions is None:
            listed: dict[str, Any] = self._gateway.call(routes.DEFINITIONS_V3) or {}
            self._definitions = [str(d["id"]) for d in listed.get("subscriptionDefinitions") or ()]
        last: Problem | None = None
        for subscription in self._definitions:
            try:
                self._gateway.call(
                    routes.UNSUBSCRIBE_V3,
                    body={"emailAddress": address, "subscriptionId": subscription, **_LEGAL_BASIS},
                )
            except Refused as refused:
                # Refused also when it was left already; only the state afterwards counts.
                last = refused.problem
        if last is None:
            return None
        status: dict[str, Any] = self._gateway.call(routes.STATUS_V3, path={"email": address}) or {}
        subscribed = [s for s in status.get("subscriptionStatuses") or () if s.get("status") == "SUBSCRIBED"]
        return last if subscribed else None
