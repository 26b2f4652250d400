"""Why `explain` finds no record, or cannot say which one is meant, in Dutch. How it is used stands in `dutch`."""

from __future__ import annotations

LOOKUP = {
    "That is not the address of a record in Teamleader or HubSpot": (
        "Dat is geen adres van een record in Teamleader of HubSpot"
    ),
    "Open the record and copy the address from the browser, or give its id": (
        "Open het record en kopieer het adres uit de browser, of geef het id"
    ),
    "That is the address of a {kind}, not of a {other}": "Dat is het adres van een {kind}, niet van een {other}",
    "Write `tl-hubspot explain {kind}` and the address": "Schrijf `tl-hubspot explain {kind}` en het adres",
    "That page is of HubSpot portal {number}, and this program fills portal {other}": (
        "Die pagina is van HubSpot-portaal {number}, en dit programma vult portaal {other}"
    ),
    "Open the record in that portal, or use the settings and the data folder of the other one": (
        "Open het record in dat portaal, of gebruik de instellingen en de datamap van het andere"
    ),
    "{system} has no {kind} {id} that was read": "{system} heeft geen {kind} {id} dat werd gelezen",
    "A deal has no e-mail address": "Een deal heeft geen e-mailadres",
    "Give its Teamleader id, its HubSpot id or the address of its page": (
        "Geef het Teamleader-id, het HubSpot-id of het adres van de pagina"
    ),
    "Neither Teamleader nor HubSpot has a {kind} with that e-mail address": (
        "Teamleader noch HubSpot heeft een {kind} met dat e-mailadres"
    ),
    "Neither Teamleader nor HubSpot has a {kind} {id}": "Teamleader noch HubSpot heeft een {kind} {id}",
    "Looked at {where}, as last read on {when} UTC. Give a Teamleader id or a HubSpot id; a record added just now"
    " appears after the next run": (
        "Gezocht in {where}, laatst gelezen op {when} UTC. Geef een Teamleader-id of een HubSpot-id; een record dat net"
        " is toegevoegd, verschijnt na de volgende run"
    ),
    "Looked at {where}. Give a Teamleader id or a HubSpot id; a record added just now appears after the next run": (
        "Gezocht in {where}. Geef een Teamleader-id of een HubSpot-id; een record dat net is toegevoegd, verschijnt na"
        " de volgende run"
    ),
    "the addresses of Teamleader's companies": "de adressen van de bedrijven in Teamleader",
    "all addresses of Teamleader's contacts and of HubSpot's, secondary ones too": (
        "alle adressen van de contacten in Teamleader en in HubSpot, ook de tweede adressen"
    ),
    "Teamleader's ids, HubSpot's ids": "de id's van Teamleader en van HubSpot",
    "Teamleader's ids, HubSpot's ids and VAT numbers": "de id's van Teamleader en van HubSpot en de btw-nummers",
    "HubSpot's ids": "de id's van HubSpot",
    "Teamleader's ids": "de id's van Teamleader",
    "{number} records are meant by that": "Daarmee zijn {number} records bedoeld",
    "Run explain again with the Teamleader id of one of them": (
        "Roep explain opnieuw aan met het Teamleader-id van een ervan"
    ),
    "Nothing was read yet": "Er werd nog niets gelezen",
    "Run `tl-hubspot plan` first, or set TL_HUBSPOT_DATA to the folder of an earlier run": (
        "Roep eerst `tl-hubspot plan` aan, of zet TL_HUBSPOT_DATA op de map van een eerdere run"
    ),
    "Nothing was decided yet": "Er werd nog niets beslist",
    "Run `tl-hubspot plan` first": "Roep eerst `tl-hubspot plan` aan",
}
