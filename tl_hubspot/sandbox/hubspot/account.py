"""The account as such: details, API usage, currencies, limits tracking; with their routes.

Rates are fixed facts of the sandbox; enforcing call limits is `limits`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tl_hubspot.sandbox.hubspot.errors import not_found
from tl_hubspot.sandbox.hubspot.http import Call, Reply, route
from tl_hubspot.sandbox.hubspot.object_types import OBJECT_TYPES, ObjectType, object_type
from tl_hubspot.sandbox.hubspot.times import to_iso

if TYPE_CHECKING:
    from tl_hubspot.sandbox.hubspot.portal import Portal

_NAMES = {
    "AUD": "Australian Dollar",
    "CAD": "Canadian Dollar",
    "CHF": "Swiss Franc",
    "DKK": "Danish Krone",
    "EUR": "Euro",
    "GBP": "British Pound",
    "JPY": "Japanese Yen",
    "NOK": "Norwegian Krone",
    "PLN": "Polish Zloty",
    "SEK": "Swedish Krona",
    "USD": "US Dollar",
}
# One unit in euro.
_IN_EURO = {
    "AUD": "0.60",
    "CAD": "0.67",
    "CHF": "1.05",
    "DKK": "0.134",
    "EUR": "1",
    "GBP": "1.17",
    "JPY": "0.0062",
    "NOK": "0.087",
    "PLN": "0.23",
    "SEK": "0.088",
    "USD": "0.92",
}
_FOUNDED = "2022-01-03T09:00:00.000Z"
_RECORD_LIMIT = 15_000_000
_PIPELINE_LIMITS = {"free": 1, "starter": 2, "professional": 15, "enterprise": 100}


class Account:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def currencies(self) -> list[str]:
        """The codes that deals may use, the company currency first."""
        profile = self._portal.profile
        return list(dict.fromkeys([profile.company_currency, *profile.additional_currencies]))

    def rate(self, code: str) -> Decimal:
        """What one unit of a currency is in the company currency; unknown or no code: 1."""
        home = Decimal(_IN_EURO.get(self._portal.profile.company_currency, "1"))
        return Decimal(_IN_EURO[code]) / home if code in _IN_EURO else Decimal(1)

    def details(self) -> dict[str, Any]:
        profile = self._portal.profile
        offset = self._portal.clock.now().astimezone(ZoneInfo(profile.time_zone)).utcoffset()
        seconds = int(offset.total_seconds()) if offset else 0
        sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
        return {
            "portalId": profile.portal_id,
            "accountType": "STANDARD",
            "timeZone": profile.time_zone,
            "companyCurrency": profile.company_currency,
            "additionalCurrencies": list(profile.additional_currencies),
            "utcOffset": f"{sign}{minutes // 60:02d}:{minutes % 60:02d}",
            "utcOffsetMilliseconds": seconds * 1000,
            "uiDomain": "app-eu1.hubspot.com",
            "dataHostingLocation": "eu1",
        }

    def usage(self) -> dict[str, Any]:
        limiter, now = self._portal.limiter, to_iso(self._portal.now_ms())
        return {
            "name": "private-apps-api-calls-daily",
            "usageLimit": self._portal.profile.daily,
            "currentUsage": limiter.used_today(),
            "collectedAt": now,
            "fetchStatus": "SUCCESS",
            "resetsAt": to_iso(limiter.resets_at()),
        }

    def exchange_rates(self) -> list[dict[str, Any]]:
        home = self._portal.profile.company_currency
        return [
            {
                "id": str(number),
                "fromCurrencyCode": code,
                "toCurrencyCode": home,
                "conversionRate": float(self.rate(code)),
                "visibleInUI": True,
                "createdAt": _FOUNDED,
                "updatedAt": _FOUNDED,
                "effectiveAt": _FOUNDED,
            }
            for number, code in enumerate(self.currencies(), start=1)
            if code != home
        ]


# Routes: account

_OAUTH = ("oauth",)


@route("GET", "/account-info/v3/details", _OAUTH)
def _details(call: Call) -> Reply:
    return Reply(200, call.portal.account.details())


@route("GET", "/account-info/v3/api-usage/daily/private-apps", _OAUTH)
def _usage(call: Call) -> Reply:
    return Reply(200, {"results": [call.portal.account.usage()]})


# Routes: currencies

_CURRENCIES = "/settings/v3/currencies"
_CURRENCY_SCOPES = ("settings.currencies.read",)


@route("GET", f"{_CURRENCIES}/codes", _CURRENCY_SCOPES)
def _codes(call: Call) -> Reply:
    codes = call.portal.account.currencies()
    return Reply(200, {"results": [{"currencyCode": code, "currencyName": _NAMES.get(code, code)} for code in codes]})


@route("GET", f"{_CURRENCIES}/company-currency", _CURRENCY_SCOPES)
def _company_currency(call: Call) -> Reply:
    return Reply(200, {"id": call.portal.profile.company_currency, "createdAt": _FOUNDED})


@route("GET", f"{_CURRENCIES}/exchange-rates", _CURRENCY_SCOPES)
@route("GET", f"{_CURRENCIES}/exchange-rates/current", _CURRENCY_SCOPES)
def _rates(call: Call) -> Reply:
    return Reply(200, {"results": call.portal.account.exchange_rates()})


@route("GET", f"{_CURRENCIES}/exchange-rates/{{id}}", _CURRENCY_SCOPES)
def _rate(call: Call) -> Reply:
    for rate in call.portal.account.exchange_rates():
        if rate["id"] == call.params["id"]:
            return Reply(200, rate)
    raise not_found("exchange rate does not exist")


@route("GET", f"{_CURRENCIES}/central-fx-rates/information", _CURRENCY_SCOPES)
def _central_rates(call: Call) -> Reply:
    return Reply(200, {"centralExchangeRatesEnabled": False})


# Routes: limits tracking

_LIMITS = "/crm/v3/limits"
_LIMIT_SCOPES = tuple(f"crm.objects.{name}.read" for name in OBJECT_TYPES)
_NO_CUSTOM_OBJECTS: dict[str, Any] = {
    "overallLimit": 0,
    "overallUsage": 0,
    "overallPercentage": 0.0,
    "byObjectType": [],
}


def _usage_of(kind: ObjectType, limit: int, usage: int) -> dict[str, Any]:
    return {
        "objectTypeId": kind.type_id,
        "singularLabel": kind.singular.capitalize(),
        "pluralLabel": kind.name.capitalize(),
        "limit": limit,
        "usage": usage,
        "percentage": round(100 * usage / limit, 4),
    }


@route("GET", f"{_LIMITS}/records", _LIMIT_SCOPES)
def _record_limits(call: Call) -> Reply:
    used = [_usage_of(kind, _RECORD_LIMIT, call.portal.store.count(kind)) for kind in OBJECT_TYPES.values()]
    return Reply(200, {"customObjectTypes": _NO_CUSTOM_OBJECTS, "hubspotDefinedObjectTypes": used})


@route("GET", f"{_LIMITS}/pipelines", _LIMIT_SCOPES)
def _pipeline_limits(call: Call) -> Reply:
    limit = _PIPELINE_LIMITS[call.portal.profile.tier]
    used = _usage_of(OBJECT_TYPES["deals"], limit, len(call.portal.pipelines.all()))
    return Reply(200, {"customObjectTypes": _NO_CUSTOM_OBJECTS, "hubspotDefinedObjectTypes": [used]})


@route("GET", f"{_LIMITS}/custom-properties", _LIMIT_SCOPES)
def _property_limits(call: Call) -> Reply:
    limit = call.portal.profile.custom_properties_limit
    by_type = []
    for kind in OBJECT_TYPES.values():
        custom = sum(not item.hubspotDefined for item in call.portal.properties.all(kind))
        by_type.append(_usage_of(kind, limit, custom))
    usage, overall = sum(item["usage"] for item in by_type), 10 * limit
    body = {"overallLimit": overall, "overallUsage": usage, "overallPercentage": round(100 * usage / overall, 4)}
    return Reply(200, body | {"byObjectType": by_type})


@route("GET", f"{_LIMITS}/calculated-properties", _LIMIT_SCOPES)
def _calculated_limits(call: Call) -> Reply:
    return Reply(200, {"overallLimit": 200, "overallUsage": 0, "overallPercentage": 0.0, "byObjectType": []})


@route("GET", f"{_LIMITS}/custom-object-types", _LIMIT_SCOPES)
def _custom_type_limits(call: Call) -> Reply:
    return Reply(200, {"limit": 10, "usage": 0, "percentage": 0.0})


@route("GET", f"{_LIMITS}/associations/labels", _LIMIT_SCOPES)
def _label_limits(call: Call) -> Reply:
    return Reply(200, {"results": []})


@route("GET", f"{_LIMITS}/associations/records/from", _LIMIT_SCOPES)
@route("GET", f"{_LIMITS}/associations/records/{{from_type}}/to", _LIMIT_SCOPES)
def _association_limits(call: Call) -> Reply:
    if "from_type" in call.params:
        object_type(call.params["from_type"])
    return Reply(200, {"results": []})


@route("GET", f"{_LIMITS}/associations/records/{{from_type}}/{{to_type}}", _LIMIT_SCOPES)
def _association_record_limits(call: Call) -> Reply:
    kind, to_kind = object_type(call.params["from_type"]), object_type(call.params["to_type"])
    call.portal.associations.types(kind, to_kind)
    return Reply(
        200,
        {
            "limit": 50_000,
            "totalRecordsAtLimit": 0,
            "totalRecordsNearLimit": 0,
            "atLimitFromRecordSamples": [],
            "nearLimitFromRecordSamples": [],
        },
    )
