"""Teamleader's "version 0" UUIDs, which embed the integer id of the old database.

Nothing here knows records; the counters are kept by `store`.
"""

from __future__ import annotations

import hashlib
import re

PREFIXES = {
    "contacts": "ContactId",
    "companies": "CompanyId",
    "customFieldDefinitions": "CustomFieldId",
    "businessTypes": "BusinessTypeId",
    "levelTwoAreas": "AreaLevelTwoId",
    "accounts": "AccountId",
    "deals": "DealId",
    "users": "UserId",
    "teams": "TeamId",
    "departments": "DepartmentId",
    "dealPipelines": "DealPipelineId",
    "dealPhases": "DealPhaseId",
    "dealSources": "DealSourceId",
    "lostReasons": "LostReasonId",
    "priceLists": "PriceListId",
    "paymentTerms": "PaymentTermId",
}
"""Kind → prefix. The first five were seen on the live system; the others follow the same pattern."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def encode(prefix: str, number: int) -> str:
    """The UUID of an integer id: a SHA-1 of prefix and number with number, version 0 and variant written into it."""
    hexadecimal = f"{number:x}"
    digits = list(hashlib.sha1(f"{prefix}{number}".encode()).hexdigest()[:32])
    digits[32 - len(hexadecimal) :] = hexadecimal
    digits[12] = "0"
    digits[16:18] = f"{(int(''.join(digits[16:18]), 16) & 0x3F) | 0x80:02x}"
    digits[18] = f"{len(hexadecimal):x}"
    text = "".join(digits)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def decode(uuid: str) -> int | None:
    """The integer id embedded in a version-0 UUID, None for any other version."""
    digits = uuid.replace("-", "")
    if len(digits) != 32 or digits[12] != "0":
        return None
    length = int(digits[18], 16)
    return int(digits[32 - length :], 16) if length else None


def is_uuid(text: str) -> bool:
    """Whether a text has the form of a UUID, of whatever version."""
    return _UUID.fullmatch(text) is not None
