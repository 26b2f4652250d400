"""Which scopes a call about records needs, as alternatives: one of them is enough.

Used by the routes of objects, batches, search and associations; other routes name their scopes themselves.
"""

from __future__ import annotations

from tl_hubspot.sandbox.hubspot.http import Call
from tl_hubspot.sandbox.hubspot.object_types import object_type


def object_read(call: Call) -> tuple[str, ...]:
    return (f"crm.objects.{object_type(call.params['object_type']).name}.read",)


def object_write(call: Call) -> tuple[str, ...]:
    return (f"crm.objects.{object_type(call.params['object_type']).name}.write",)


def pair_read(call: Call) -> tuple[str, ...]:
    return (f"crm.objects.{object_type(call.params['from_type']).name}.read",)


def pair_write(call: Call) -> tuple[str, ...]:
    return (f"crm.objects.{object_type(call.params['from_type']).name}.write",)
