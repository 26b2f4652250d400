"""What `explain` says, in Dutch: the pattern of each English sentence with its Dutch one.

A sentence that is not here (words of HubSpot) stays as it is.
"""

from __future__ import annotations

import functools
import re
from datetime import date

from tl_hubspot.reporting.dutch_lookup import LOOKUP
from tl_hubspot.reporting.dutch_notices import NOTICES
from tl_hubspot.reporting.dutch_reasons import ADVICE
from tl_hubspot.reporting.dutch_rules import CHANGES, RULES
from tl_hubspot.reporting.dutch_two_way import TWO_WAY
from tl_hubspot.rules.told import Told

_MONTHS = (
    *("januari", "februari", "maart", "april", "mei", "juni"),
    *("juli", "augustus", "september", "oktober", "november", "december"),
)


def say(sentence: str) -> str:
    """The sentence in Dutch, with everything in it that has a Dutch form."""
    if not isinstance(sentence, Told) or not sentence.pattern:
        return PATTERNS.get(sentence) or _known_again(sentence)
    pattern = PATTERNS.get(sentence.pattern)
    return pattern.format(**{k: _value(v) for k, v in sentence.values.items()}) if pattern else sentence


def _known_again(sentence: str) -> str:
    """A sentence that was stored, or raised, as plain text."""
    for english, dutch in _stored():
        if match := english.fullmatch(sentence):
            return dutch.format(**{k: _value(v) for k, v in match.groupdict().items()})
    return sentence


@functools.cache
def _stored() -> list[tuple[re.Pattern[str], str]]:
    return [
        (re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(english))), dutch)
        for english, dutch in (NOTICES | LOOKUP).items()
    ]


def _value(value: object) -> object:
    if isinstance(value, date):
        return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"
    return say(value) if isinstance(value, str) else value


_REASONS = {
    "no e-mail address in Teamleader": "geen e-mailadres in Teamleader",
    "the e-mail address is not valid": "het e-mailadres is niet geldig",
    "Teamleader knows no date for it": "Teamleader kent er geen datum van",
    "not changed for more than 5 years": "langer dan 5 jaar niet gewijzigd",
    "deactivated in Teamleader": "gedeactiveerd in Teamleader",
    "another contact with the same address goes first": "een ander contact met hetzelfde adres gaat voor",
    "the address opted out of marketing e-mail": "het adres is afgemeld voor marketingmails",
    "consent is not known": "de toestemming is niet bekend",
    "changed less than 2 years ago": "minder dan 2 jaar geleden gewijzigd",
    "changed 2 to 5 years ago": "2 tot 5 jaar geleden gewijzigd",
    "the same company as another one": "hetzelfde bedrijf als een ander",
    "one of its contacts is in HubSpot": "een van de contacten is in HubSpot",
    "none of its contacts belongs in HubSpot": "geen van de contacten hoort in HubSpot",
    "the deal names no contact": "de deal noemt geen contact",
    "its contact does not belong in HubSpot": "het contact hoort niet in HubSpot",
    "open, no change for 2 years: labelled inactief": "open, 2 jaar geen verandering: label inactief",
    "won or lost": "gewonnen of verloren",
    "open, made more than 5 years ago": "open, meer dan 5 jaar geleden aangemaakt",
    "won or lost more than 2 years ago": "meer dan 2 jaar geleden gewonnen of verloren",
    "its phase has no stage in HubSpot": "de fase heeft geen tegenhanger in HubSpot",
    "its HubSpot record belongs to another one": "het HubSpot-record hoort bij een ander",
    "deleted or archived in HubSpot by a person": "door iemand verwijderd of gearchiveerd in HubSpot",
    "in HubSpot, but no longer belongs there: marked": "in HubSpot, maar hoort er niet meer: gemarkeerd",
    "the plan is over a limit": "het plan gaat over een grens",
    "not in the small set that the run was confined to": "niet in de kleine groep waartoe de run beperkt was",
    "somebody changed it in HubSpot while a run was interrupted; that value stays": (
        "iemand wijzigde het in HubSpot terwijl een run onderbroken was; die waarde blijft"
    ),
    "its new address belongs to another HubSpot contact": "het nieuwe adres hoort bij een ander HubSpot-contact",
    "the push stopped before it": "de push stopte ervoor",
}

_FRAME = {
    "{kind} {id}": "{kind} {id}",
    "Company": "Bedrijf",
    "{who} {verdict}: {why}.": "{who} {verdict}: {why}.",
    "HubSpot shows it as unsubscribed": "HubSpot toont het als afgemeld",
    "As long as HubSpot shows it as unsubscribed, nothing makes it a marketing contact.": (
        "Zolang HubSpot het als afgemeld toont, wordt het geen marketingcontact."
    ),
    "belongs in HubSpot as a marketing contact": "hoort in HubSpot als marketingcontact",
    "belongs in HubSpot, but not as a marketing contact": "hoort in HubSpot, maar niet als marketingcontact",
    "belongs in HubSpot": "hoort in HubSpot",
    "does not belong in HubSpot": "hoort niet in HubSpot",
    "belongs in HubSpot, but waits for a person": "hoort in HubSpot, maar wacht op een mens",
    "{who} was deleted in Teamleader. HubSpot keeps its record, marked as deleted.": (
        "{who} werd verwijderd in Teamleader. HubSpot houdt het record, gemarkeerd als verwijderd."
    ),
    "Decided as of {day}, reason code {code}.": "Beslist per {day}, redencode {code}.",
    "The rules, in order; the one marked ► decided": "De regels op volgorde; die met ► besliste",
    "What would change this": "Wat dit zou veranderen",
    "In HubSpot": "In HubSpot",
    "Its HubSpot record is {id}.": "Het HubSpot-record is {id}.",
    "It has no HubSpot record.": "Er is geen HubSpot-record.",
    "They are linked since {day} (run {run}).": "Ze zijn gekoppeld sinds {day} (run {run}).",
    "They were matched because {why}.": "Ze werden samengebracht: {why}.",
    "The sync made the HubSpot record.": "De sync maakte het HubSpot-record.",
    "They agree: {why}.": "Ze komen overeen: {why}.",
    "Also, {why}.": "Bovendien: {why}.",
    "the HubSpot record was linked to its duplicate before": "het HubSpot-record was al aan het dubbele gekoppeld",
    "the HubSpot record carries its Teamleader id": "het Teamleader-id staat op het HubSpot-record",
    "the e-mail address is the same": "het e-mailadres is hetzelfde",
    "its e-mail address is a secondary address there": "het e-mailadres is daar een tweede adres",
    "the VAT number is the same": "het btw-nummer is hetzelfde",
    "the domain is the same": "het domein is hetzelfde",
    "the name is the same": "de naam is dezelfde",
    "The plan updates HubSpot record {id}.": "Het plan werkt HubSpot-record {id} bij.",
    "HubSpot record {id} has the same e-mail address, but they are not linked.": (
        "HubSpot-record {id} heeft hetzelfde e-mailadres, maar ze zijn niet gekoppeld."
    ),
    "HubSpot record {id} has the same VAT number, but they are not linked.": (
        "HubSpot-record {id} heeft hetzelfde btw-nummer, maar ze zijn niet gekoppeld."
    ),
    "{kind} {id} is in HubSpot alone: no record in Teamleader belongs to it, so the sync leaves it as it is.": (
        "{kind} {id} is alleen in HubSpot: er hoort geen Teamleader-record bij, dus de sync laat het zoals het is."
    ),
    "It carries the Teamleader id {id}, which Teamleader does not have.": (
        "Het draagt het Teamleader-id {id}, dat Teamleader niet heeft."
    ),
    "It is archived in HubSpot.": "Het is gearchiveerd in HubSpot.",
    "A contact in Teamleader with its e-mail address, when the rules take it, is linked to it by the next run.": (
        "Een contact in Teamleader met hetzelfde e-mailadres, als de regels het overnemen, wordt er door de volgende"
        " run aan gekoppeld."
    ),
    "A company in Teamleader with its VAT number, domain or name, when the rules take it, is linked to it by the next"
    " run.": (
        "Een bedrijf in Teamleader met hetzelfde btw-nummer, domein of dezelfde naam, als de regels het overnemen,"
        " wordt er door de volgende run aan gekoppeld."
    ),
    "Nothing: a deal is never linked by its title, only by the Teamleader id that it carries.": (
        "Niets: een deal wordt nooit op titel gekoppeld, alleen op het Teamleader-id dat hij draagt."
    ),
    "The last run created it in HubSpot.": "De laatste run maakte het aan in HubSpot.",
    "The last run updated it in HubSpot.": "De laatste run werkte het bij in HubSpot.",
    "HubSpot already held everything; the last run wrote nothing.": (
        "HubSpot had alles al; de laatste run schreef niets."
    ),
    "The last run left it alone.": "De laatste run liet het ongemoeid.",
    "The last run held it: {meaning}.": "De laatste run hield het vast: {meaning}.",
    "The last run could not write it ({meaning}); the next run tries again.": (
        "De laatste run kon het niet schrijven ({meaning}); de volgende run probeert het opnieuw."
    ),
    "What failed": "Wat mislukte",
    "Writing it fails since {since} UTC, tried {times}; the first run after {next} UTC tries again.": (
        "Schrijven mislukt sinds {since} UTC, {times} geprobeerd; de eerste run na {next} UTC probeert het opnieuw."
    ),
    "once": "één keer",
    "{attempts} times": "{attempts} keer",
    "Why: {why}.": "Waarom: {why}.",
    "HubSpot says: {message}": "HubSpot zegt: {message}",
    "{when} UTC: {action}, {state}": "{when} UTC: {action}, {state}",
    "created": "aangemaakt",
    "updated": "bijgewerkt",
    "unsubscribed": "afgemeld",
    "asked for marketing status": "marketingstatus gevraagd",
    "marked as deleted": "als verwijderd gemarkeerd",
    "archived": "gearchiveerd",
    "confirmed": "bevestigd",
    "failed": "mislukt",
    "not confirmed": "niet bevestigd",
    "changed meanwhile": "intussen door iemand gewijzigd",
    "(empty)": "(leeg)",
    "no fields": "geen velden",
    "Several records are meant:": "Er zijn meerdere records bedoeld:",
    "HubSpot {id}": "HubSpot {id}",
    "not in HubSpot": "niet in HubSpot",
    "Which one": "Welk record",
}
"""Headings and sentences around the rules."""

_TO_DO = {
    "Two Teamleader contacts lead to one HubSpot contact. Merge the two in Teamleader, or give the HubSpot contact only"
    " the addresses of one of them; the next sync sees it.": (
        "Twee Teamleader-contacten leiden naar één HubSpot-contact. Voeg de twee samen in Teamleader, of geef het"
        " HubSpot-contact alleen de adressen van een van beide; de volgende sync ziet het."
    ),
    "Its HubSpot record was archived or deleted, so it is not made again. To sync it anyway:"
    " `tl-hubspot release {entity_type} {teamleader_id}`.": (
        "Het HubSpot-record werd gearchiveerd of verwijderd, dus het wordt niet opnieuw gemaakt. Toch overnemen:"
        " `tl-hubspot release {entity_type} {teamleader_id}`."
    ),
    "Name a HubSpot stage for its phase under `pipelines` in the mapping file.": (
        "Noem een HubSpot-fase voor de fase onder `pipelines` in het mappingbestand."
    ),
    "Look at `tl-hubspot plan`, then push it with `tl-hubspot approve DIGEST`, or mend the cause.": (
        "Bekijk `tl-hubspot plan`, en laat het dan door met `tl-hubspot approve DIGEST`, of verhelp de oorzaak."
    ),
}
"""What a person should do."""

PATTERNS = RULES | CHANGES | ADVICE | NOTICES | LOOKUP | _REASONS | _FRAME | _TO_DO | TWO_WAY
"""English pattern → Dutch pattern, with the same names in braces."""
