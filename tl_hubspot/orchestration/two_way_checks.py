"""Asset checks of the two-way flow: what a person should look at after a cycle between HubSpot and Crmoffice.

They warn; what must not happen (too many deletions) stops the cycle itself. Shown are ids and codes, never values.
"""

import polars as pl

from tl_hubspot.orchestration.checks import Check, Tables, asset_checks

_LATEST = "select flow, max(started_at) as started_at from two_way.runs group by flow"


def _stopped(tables: Tables) -> pl.DataFrame:
    return tables.read(
        f"select r.flow as name, r.status, r.error as message from two_way.runs r join ({_LATEST})"
        " using (flow, started_at) where r.status in ('held', 'stopped')"
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
        Check(
            "convergence",
            "Fields of linked contacts that still differ after the cycle, although nothing says why they wait. The next"
            " cycle tries again; if they stay, `tl-hubspot explain contact ID` says what is known.",
            _apart,
        ),
        Check(
            "ambiguous",
            "Contacts that cannot be told apart, as several have the same key; nothing is done with them. `tl-hubspot"
            " crmoffice held` shows how to say who belongs to whom.",
            lambda tables: tables.read(
                "select id, if(side = 'a', 'HubSpot', 'Crmoffice') as type, candidates from two_way.ambiguous"
            ),
        ),
        Check(
            "held",
            "Fields that wait: a conflict that a person decides, or a value that a system refused. `tl-hubspot"
            " crmoffice held` shows the command for each.",
            lambda tables: tables.read("select link_id as id, field, reason from two_way.held order by all"),
        ),
        Check(
            "breakers",
            "The latest cycle stopped: too many contacts seemed deleted, so nothing was written, or a system could not"
            " be used.",
            _stopped,
        ),
    )
]
