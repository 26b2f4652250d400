"""Every HubSpot path that the program calls, with its version and how it may be repeated: the one place that knows.

Moving to a date-based version means changing the bases below. How a call is made lives in `gateway`.
"""

from __future__ import annotations

from dataclasses import dataclass

OBJECTS = "/crm/v3/objects"  # date-based: /crm/objects/2026-09
PROPERTIES = "/crm/v3/properties"  # /crm/properties/2026-09
PIPELINES = "/crm/v3/pipelines"  # /crm/pipelines/2026-09
OWNERS = "/crm/v3/owners"  # /crm/owners/2026-09
IMPORTS = "/crm/v3/imports"  # /crm/imports/2026-09
ASSOCIATIONS = "/crm/v4/associations"  # /crm/associations/2026-09
SUBSCRIPTIONS_V4 = "/communication-preferences/v4"  # /communication-preferences/2026-09
SUBSCRIPTIONS_V3 = "/communication-preferences/v3"
ACCOUNT = "/account-info/v3"  # /account-info/2026-09
CURRENCIES = "/settings/v3/currencies"
CONTACTS_V1 = "/contacts/v1"  # no successor named yet


@dataclass(frozen=True)
class Route:
    """One kind of call: `path` has `{placeholders}`, `write` changes data in HubSpot.

    `repeatable`: a second identical call cannot do harm, so a call whose answer was lost may simply be repeated.
    `search`: falls under the limit for searches as well.
    """

    method: str
    path: str
    write: bool = False
    repeatable: bool = True
    search: bool = False


LIST = Route("GET", f"{OBJECTS}/{{type}}")
GET = Route("GET", f"{OBJECTS}/{{type}}/{{id}}")
BATCH_READ = Route("POST", f"{OBJECTS}/{{type}}/batch/read")
BATCH_CREATE = Route("POST", f"{OBJECTS}/{{type}}/batch/create", write=True, repeatable=False)
BATCH_UPDATE = Route("POST", f"{OBJECTS}/{{type}}/batch/update", write=True)
BATCH_UPSERT = Route("POST", f"{OBJECTS}/{{type}}/batch/upsert", write=True)
BATCH_ARCHIVE = Route("POST", f"{OBJECTS}/{{type}}/batch/archive", write=True)
PATCH = Route("PATCH", f"{OBJECTS}/{{type}}/{{id}}", write=True)
SEARCH = Route("POST", f"{OBJECTS}/{{type}}/search", search=True)

ASSOCIATIONS_READ = Route("POST", f"{ASSOCIATIONS}/{{from_type}}/{{to_type}}/batch/read")
ASSOCIATE_DEFAULT = Route("POST", f"{ASSOCIATIONS}/{{from_type}}/{{to_type}}/batch/associate/default", write=True)
ASSOCIATE = Route("POST", f"{ASSOCIATIONS}/{{from_type}}/{{to_type}}/batch/create", write=True)
DISASSOCIATE = Route("POST", f"{ASSOCIATIONS}/{{from_type}}/{{to_type}}/batch/archive", write=True)

PROPERTY_LIST = Route("GET", f"{PROPERTIES}/{{type}}")
PROPERTY_GET = Route("GET", f"{PROPERTIES}/{{type}}/{{name}}")
PROPERTY_CREATE = Route("POST", f"{PROPERTIES}/{{type}}", write=True, repeatable=False)
PROPERTY_UPDATE = Route("PATCH", f"{PROPERTIES}/{{type}}/{{name}}", write=True)
GROUP_LIST = Route("GET", f"{PROPERTIES}/{{type}}/groups")
GROUP_CREATE = Route("POST", f"{PROPERTIES}/{{type}}/groups", write=True, repeatable=False)

PIPELINE_LIST = Route("GET", f"{PIPELINES}/{{type}}")
PIPELINE_CREATE = Route("POST", f"{PIPELINES}/{{type}}", write=True, repeatable=False)
STAGE_CREATE = Route("POST", f"{PIPELINES}/{{type}}/{{pipeline}}/stages", write=True, repeatable=False)

OWNER_LIST = Route("GET", f"{OWNERS}/")
ACCOUNT_DETAILS = Route("GET", f"{ACCOUNT}/details")
API_USAGE = Route("GET", f"{ACCOUNT}/api-usage/daily/private-apps")
COMPANY_CURRENCY = Route("GET", f"{CURRENCIES}/company-currency")
EXCHANGE_RATES = Route("GET", f"{CURRENCIES}/exchange-rates/current")

SECONDARY_PUT = Route("PUT", f"{CONTACTS_V1}/secondary-email/{{id}}/email/{{email}}", write=True)
SECONDARY_DELETE = Route("DELETE", f"{CONTACTS_V1}/secondary-email/{{id}}/email/{{email}}", write=True)

UNSUBSCRIBE_ALL = Route("POST", f"{SUBSCRIPTIONS_V4}/statuses/{{email}}/unsubscribe-all", write=True)
UNSUBSCRIBED_ALL = Route("GET", f"{SUBSCRIPTIONS_V4}/statuses/{{email}}/unsubscribe-all")
UNSUBSCRIBE_ALL_BATCH = Route("POST", f"{SUBSCRIPTIONS_V4}/statuses/batch/unsubscribe-all", write=True)
DEFINITIONS_V4 = Route("GET", f"{SUBSCRIPTIONS_V4}/definitions")
DEFINITIONS_V3 = Route("GET", f"{SUBSCRIPTIONS_V3}/definitions")
STATUS_V3 = Route("GET", f"{SUBSCRIPTIONS_V3}/status/email/{{email}}")
UNSUBSCRIBE_V3 = Route("POST", f"{SUBSCRIPTIONS_V3}/unsubscribe", write=True)

IMPORT_CREATE = Route("POST", f"{IMPORTS}/", write=True, repeatable=False)
IMPORT_LIST = Route("GET", f"{IMPORTS}/")
IMPORT_GET = Route("GET", f"{IMPORTS}/{{id}}")
IMPORT_ERRORS = Route("GET", f"{IMPORTS}/{{id}}/errors")
