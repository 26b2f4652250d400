"""What the rules need to know before they can decide: which records are worth a call.

Lives here: conditions on records that say whether more has to be read of them. The reading itself is orchestration's.
"""

from __future__ import annotations

import polars as pl

from tl_hubspot.rules import normalize
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.rules.windows import on

CONTACT_COLUMNS = ("id", "emails", "added_at", "updated_at", "changed_at")
"""What `contact_links` looks at."""
DEAL_COLUMNS = (
    *("id", "status", "created_at", "updated_at", "closed_at"),
    *("customer_type", "customer_id", "contact_person_id"),
)
"""What `phase_history` looks at."""


def contact_links(contacts: pl.DataFrame, settings: RuleSettings) -> pl.DataFrame:
    """Contacts (rows of teamleader.contacts) whose company links may count for anything.

    The first four rules stop a contact for good, whatever it is linked to: no address, no valid one, no date, too old.
    A deactivated one may be linked to HubSpot by a record there that carries its id, which only the mirror shows.
    """
    changed_on = on(pl.coalesce("changed_at", "updated_at", "added_at"), settings.timezone)
    recent = contacts.filter((changed_on >= settings.five_years_ago).fill_null(False))
    typed = recent.select(normalize.first_email("emails").alias("typed"))["typed"]
    return recent.filter(typed.is_not_null() & normalize.addresses(typed)["is_valid"].fill_null(False))


def phase_history(
    deals: pl.DataFrame, settings: RuleSettings, contacts: pl.DataFrame | pl.Series | None = None
) -> pl.DataFrame:
    """Deals (rows of teamleader.deals) whose decision depends on their phase history.

    Creation and closing count as changes of status, so a deal created or closed less than two years ago is decided
    without it; a move bumps `updated_at`, so one not updated for two years has no recent move either. A closed deal is
    decided without it unless recently closed ones are wanted. `contacts`: ids of those that may be eligible
    (`contact_links`); a deal of none of them is skipped in any case. None: not looked at.
    """

    def recent(name: str) -> pl.Expr:
        return (on(pl.col(name), settings.timezone) > settings.two_years_ago).fill_null(False)

    closed = pl.col("status").is_in(["won", "lost"])
    decided = closed & (recent("closed_at") if settings.deals_closed == "recent" else pl.lit(True))
    updated = recent("updated_at") | pl.col("updated_at").is_null()
    wanted = deals.filter(~recent("created_at") & ~decided.fill_null(False) & updated)
    if contacts is None:
        return wanted
    ids = contacts["id"] if isinstance(contacts, pl.DataFrame) else contacts
    customer = pl.when(pl.col("customer_type") == "contact").then("customer_id")
    return (
        wanted.with_columns(pl.coalesce(customer, "contact_person_id").alias("_contact"))
        .join(ids.unique().to_frame("_contact"), on="_contact", how="semi")
        .drop("_contact")
    )
