"""What a plan or a push stored about a record (`sync.notices`, `sync.journal`), in Dutch. How it is used stands in
`dutch`; as these are stored as plain text, each is known again by its English pattern."""

from __future__ import annotations

NOTICES = {
    # a plan
    "This HubSpot {kind} carries a teamleader_id that Teamleader does not have; it is left as it is.": (
        "Dit HubSpot-record ({kind}) draagt een teamleader_id dat Teamleader niet heeft; het blijft zoals het is."
    ),
    "This HubSpot {kind} carries the teamleader_id of a record that is linked to HubSpot {id}.": (
        "Dit HubSpot-record ({kind}) draagt het teamleader_id van een record dat aan HubSpot {id} is gekoppeld."
    ),
    "The language of this {kind} is no option in HubSpot; it is left out.": (
        "De taal van dit record ({kind}) is geen keuze in HubSpot; ze wordt weggelaten."
    ),
    "The currency of this {kind} is not set up in HubSpot; amount and currency are left out.": (
        "De munt van dit record ({kind}) is niet ingesteld in HubSpot; bedrag en munt worden weggelaten."
    ),
    "The responsible user of this {kind} is no owner in HubSpot; the owner is left out.": (
        "De verantwoordelijke van dit record ({kind}) is geen eigenaar in HubSpot; de eigenaar wordt weggelaten."
    ),
    "A value of this {kind} does not fit the property {name}; it is left out.": (
        "Een waarde van dit record ({kind}) past niet in de eigenschap {name}; ze wordt weggelaten."
    ),
    "A value of this {kind} is longer than {most} characters; {name} is cut there.": (
        "Een waarde van dit record ({kind}) is langer dan {most} tekens; {name} wordt daar afgeknipt."
    ),
    "{number} HubSpot companies fit by {key}; a linked one, else the oldest, counts.": (
        "{number} HubSpot-bedrijven passen op {key}; een gekoppeld bedrijf telt, anders het oudste."
    ),
    "Joined to company {id}, and also fits {others}.": "Samengevoegd met bedrijf {id}, en past ook bij {others}.",
    "Its address was erased in HubSpot by a person, so it is not put on this contact.": (
        "Het adres werd door iemand gewist in HubSpot, dus het komt niet op dit contact."
    ),
    "It was erased in HubSpot by a person, so no {kind} is made of it again until it is released.": (
        "Het werd door iemand gewist in HubSpot, dus het wordt niet opnieuw gemaakt ({kind}) tot het is vrijgegeven."
    ),
    "This {kind} was deleted in Teamleader; HubSpot keeps it.": (
        "Dit record ({kind}) werd verwijderd in Teamleader; HubSpot houdt het."
    ),
    "Its address belongs to HubSpot contact {id}: two records to merge by a person.": (
        "Het adres hoort bij HubSpot-contact {id}: twee records die iemand moet samenvoegen."
    ),
    "This contact was changed in the future; it counts as recent.": (
        "Dit contact is gewijzigd op een datum in de toekomst; het telt als recent."
    ),
    "A marketing contact in HubSpot that should not be one; only a workflow or a person can change that.": (
        "Een marketingcontact in HubSpot dat er geen hoort te zijn; alleen een workflow of een mens kan dat veranderen."
    ),
    "Marketing status was asked for this contact, but HubSpot does not show it.": (
        "Voor dit contact is marketingstatus gevraagd, maar HubSpot toont die niet."
    ),
    "The {kind} has no link to this {other} in HubSpot any more: a person removed it, it stays removed.": (
        "Het record ({kind}) is in HubSpot niet meer gekoppeld met dit record ({other}): iemand haalde de koppeling"
        " weg, en ze blijft weg."
    ),
    "Teamleader no longer links this {kind} to this {other}; the link in HubSpot is kept.": (
        "Teamleader koppelt dit record ({kind}) niet meer met dit record ({other}); de koppeling in HubSpot blijft."
    ),
    "Teamleader no longer links this {kind} to this {other}; the link in HubSpot is removed.": (
        "Teamleader koppelt dit record ({kind}) niet meer met dit record ({other}); de koppeling in HubSpot wordt"
        " verwijderd."
    ),
    # a push
    "{name} was changed meanwhile": "{name} werd intussen door iemand gewijzigd",
    "the address belongs to {other}: two records to merge by a person": (
        "het adres hoort bij {other}: twee records die iemand moet samenvoegen"
    ),
    "HubSpot contact {id}": "HubSpot-contact {id}",
    "another HubSpot contact": "een ander HubSpot-contact",
    "its HubSpot record was merged into that of another": "het HubSpot-record werd samengevoegd met dat van een ander",
    "its pipeline or stage could not be made in HubSpot": ("de pipeline of fase kon niet worden gemaakt in HubSpot"),
    "the record was there already": "het record was er al",
    "missing in answer": "ontbreekt in het antwoord",
    "the push stopped before this record was confirmed": "de push stopte voor dit record was bevestigd",
    "interrupted and not carried out": "onderbroken en niet uitgevoerd",
    "interrupted after it was carried out": "onderbroken nadat het was uitgevoerd",
    "interrupted, and somebody else has changed it since: {fields}; that value stays until Teamleader changes it": (
        "onderbroken, en sindsdien heeft iemand anders het gewijzigd: {fields}; die waarde blijft tot Teamleader ze"
        " wijzigt"
    ),
    "interrupted, and somebody else has changed it since: {fields}": (
        "onderbroken, en sindsdien heeft iemand anders het gewijzigd: {fields}"
    ),
    # words in them
    "contact": "contact",
    "company": "bedrijf",
    "deal": "deal",
    "domain": "domein",
}
