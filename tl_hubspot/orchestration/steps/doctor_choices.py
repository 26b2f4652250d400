"""What `doctor` says of things that only a person can see, choose or fetch: with the place to click or the line to set.

Reads settings only; what is looked at in the systems is in `doctor`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tl_hubspot.config.settings import Settings
from tl_hubspot.errors import ConfigurationError, ExitCode
from tl_hubspot.reporting.checklist import Finding

_FALSE_MEANS = {
    "opt_out": "an unticked consent box counts as an opt-out, also when the person was never asked: such people are"
    " unsubscribed in HubSpot from all e-mail, which the sync never takes back",
    "not_asked": "an unticked consent box counts as never asked: only a box that goes from ticked to unticked"
    " between two runs is carried over as an opt-out",
}
KEYS = "Development, Keys, Service keys (or Settings, Integrations, Private apps)"
"""Where HubSpot shows the scopes of a token."""
_SCOPES = "contacts, companies, deals, users and departments"
_HUBSPOT_SCOPES = (
    "crm.objects.contacts, crm.objects.companies, crm.objects.deals, crm.schemas.contacts, crm.schemas.companies,"
    " crm.schemas.deals (each read and write), crm.objects.owners.read, crm.import,"
    " communication_preferences.read_write and settings.currencies.read"
)


def teamleader_credentials(settings: Settings) -> Finding | None:
    """What is missing to sign in to Teamleader, step by step; None when nothing is."""
    try:
        settings.require_teamleader(token=False)
    except ConfigurationError as error:
        return Finding(
            "Teamleader",
            "problem",
            f"{error.what}.",
            "In Teamleader open Marketplace, Build, and make an integration with the scopes"
            f" {_SCOPES} and the redirect address http://localhost:8765/callback. Write its client id and secret to"
            " .env as TEAMLEADER_CLIENT_ID and TEAMLEADER_CLIENT_SECRET, then run `tl-hubspot auth teamleader`.",
            ExitCode.USAGE,
        )
    try:
        settings.require_teamleader()
    except ConfigurationError:
        return Finding(
            "Teamleader",
            "problem",
            "Nobody has signed in to Teamleader yet.",
            "Run `tl-hubspot auth teamleader` and approve in the browser as an administrator: the program sees what"
            " that user may see.",
            ExitCode.USAGE,
        )
    return None


def hubspot_credentials(settings: Settings) -> Finding | None:
    """What is missing to call HubSpot; None when nothing is."""
    try:
        settings.require_hubspot()
    except ConfigurationError as error:
        return Finding(
            "HubSpot",
            "problem",
            f"{error.what}.",
            f"In HubSpot open {KEYS}, make a key with the scopes {_HUBSPOT_SCOPES}, and write it to .env as"
            " HUBSPOT_ACCESS_TOKEN.",
            ExitCode.USAGE,
        )
    return None


def consent(settings: Settings, *, is_first: bool) -> Iterator[Finding]:
    """What an unticked box means; before the first sync a person must have said so."""
    means = settings.consent.false_means
    undecided = is_first and "false_means" not in settings.consent.model_fields_set
    yield Finding(
        "Consent",
        "warning" if undecided else "ok",
        f"consent.false_means is {means}: {_FALSE_MEANS[means]}.",
        "Decide before the first sync, because opting out in HubSpot is for good, and write it to .env:"
        " TL_HUBSPOT_CONSENT__FALSE_MEANS=opt_out or TL_HUBSPOT_CONSENT__FALSE_MEANS=not_asked."
        if undecided
        else "",
    )


def marketing(settings: Settings) -> Iterator[Finding]:
    """How marketing status is asked, what the portal has bought, and when that renews."""
    chosen = settings.marketing
    if chosen.method == "workflow":
        yield Finding(
            "Marketing",
            "warning",
            "marketing.method is workflow: HubSpot itself must set the marketing status.",
            "See in HubSpot under Automation, Workflows that one reads the contact property teamleader_marketing.",
        )
    elif chosen.method == "property_only":
        yield Finding("Marketing", "ok", "marketing.method is property_only: only teamleader_marketing is written.")
        return
    else:
        yield Finding("Marketing", "ok", "marketing.method is import: marketing status is set by an import of ids.")
    if chosen.tier is None:
        yield Finding(
            "Marketing",
            "warning",
            "How many marketing contacts the portal has bought is not known, so no limit protects it.",
            "Look in HubSpot under Account & Billing, Usage & Limits, and set TL_HUBSPOT_MARKETING__TIER to it.",
        )
        return
    yield Finding("Marketing", "ok", f"New marketing contacts are held above the tier of {chosen.tier:,}.")
    if chosen.renewal is None:
        yield Finding(
            "Marketing",
            "warning",
            "When the contract renews is not known: `tl-hubspot plan` cannot say from when a contact that ages out no"
            " longer counts.",
            "Look in HubSpot under Account & Billing, and set TL_HUBSPOT_MARKETING__RENEWAL to that date, like"
            " 2027-03-01.",
        )
    else:
        day = f"{chosen.renewal.day} {chosen.renewal:%B}"
        yield Finding("Marketing", "ok", f"The contract renews on {day}, every year.")


def automatic_companies(settings: Settings) -> Iterator[Finding]:
    """The switch that no API shows."""
    yield Finding(
        "Companies",
        "warning",
        "Whether HubSpot itself makes companies for new contacts cannot be read by its API.",
        "Look in HubSpot under Settings, Objects, Companies, and switch off `Create and associate companies with"
        " contacts`: those companies would stand beside the ones from Teamleader.",
    )


def mail(settings: Settings) -> Iterator[Finding]:
    """Whether the digest can be sent; nothing is sent to find out."""
    wanted = settings.automation.digest or settings.automation.alerts
    if settings.mail.host is None and not wanted:
        yield Finding("Mail", "ok", "No e-mail is sent: no mail server is set, and none is needed (docs/reports.md).")
        return
    settings.require_mail()
    count = len(settings.mail.to)
    yield Finding(
        "Mail",
        "ok",
        f"Digests go through {settings.mail.host} ({settings.mail.security}) to {count} recipient{'s' * (count != 1)};"
        " `tl-hubspot digest --send` sends one now.",
    )
