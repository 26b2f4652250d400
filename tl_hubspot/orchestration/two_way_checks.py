"""Asset checks of the two-way flow: what a person should look at after a cycle between HubSpot and Crmoffice.

They warn; what must not happen (too many deletions) stops the cycle itself. Shown are ids and codes, never values.
"""

import polars as pl

from tl_hubspot.orchestration.checks import Check, Tables, asset_checks

_LATEST = "select flow, max(started_at) as started_at from two_way.runs group by flow"


def _stopped(tables: Tables) -> pl.DataFrame:
    return tables.read(
        f"select r.flow as name, r.status from two_way.runs r join ({_LATEST}) using (flow, started_at)"
        " where r.status in ('held', 'stopped')"
    )


def _apart(tables: Tables) -> pl.DataFrame:
    """Fields of linked pairs that differ from the last agreement, and for which nothing says why they wait."""
    return tables.read(
        "select i.id, i.field from two_way.intervals i join two_way.links l on l.flow = i.flow"
        " and i.id = case i.side when 'a' then l.a_id else l.b_id end and l.state = 'linked'"
        " join two_way.shadows s on s.flow = i.flow and s.link_id = l.link_id and s.field = i.field"
        " where i.value is distinct from case i.side when 'a' then s.a else s.b end"
        " and not exists (select 1 from two_way.held h where h.flow = i.flow and h.link_id = l.link_id"
        " and h.field = i.field) order by all"
    )


CHECKS = [
    asset_checks(
        "two_way.sync",
        Check("convergence", "Fields of linked records that are still apart after a cycle.", _apart),
        Check(
            "ambiguous",
            "Records that the key does not tell apart; nothing is done with them.",
            lambda tables: tables.read("select id, side as type, candidates as hubspot_ids from two_way.ambiguous"),
        ),
        Check(
            "held",
            "Fields that wait: a conflict that a person decides, or a value that a system refused.",
            lambda tables: tables.read("select link_id as id, field, reason from two_way.held order by all"),
        ),
        Check("breakers", "A cycle that stopped before it wrote anything, or on the way.", _stopped),
    )
]
