"""What `explain` says about HubSpot and Crmoffice, in Dutch: each English pattern with its Dutch one."""

from __future__ import annotations

TWO_WAY = {
    "Between HubSpot and Crmoffice": "Tussen HubSpot en Crmoffice",
    "Conflicts between HubSpot and Crmoffice": "Conflicten tussen HubSpot en Crmoffice",
    "HubSpot contact {id} does not come from Teamleader.": "HubSpot-contact {id} komt niet uit Teamleader.",
    "Crmoffice contact {id} does not come from Teamleader.": "Crmoffice-contact {id} komt niet uit Teamleader.",
    "Found by the key: {key} are the same on both sides.": (
        "Gevonden op de sleutel: {key} zijn aan beide kanten gelijk."
    ),
    "One of the two was made from the other one.": "Het ene werd van het andere gemaakt.",
    "A person said that they belong together.": "Iemand zei dat ze bij elkaar horen.",
    "It follows from another pair.": "Het volgt uit een ander paar.",
    "{key}": "{key}",
    "it was deleted in HubSpot": "het in HubSpot werd verwijderd",
    "it was deleted in Crmoffice": "het in Crmoffice werd verwijderd",
    "it was deleted on both sides": "het aan beide kanten werd verwijderd",
    "it was deleted in HubSpot after it was edited in Crmoffice": (
        "het in HubSpot werd verwijderd nadat het in Crmoffice was bewerkt"
    ),
    "it was deleted in Crmoffice after it was edited in HubSpot": (
        "het in Crmoffice werd verwijderd nadat het in HubSpot was bewerkt"
    ),
    "it was merged with another contact that is linked already": (
        "het werd samengevoegd met een ander contact dat al gekoppeld is"
    ),
    "it left the scope of the flow": "het buiten het bereik van de stroom viel",
    "When both sides are edited, the later edit wins; where nobody can tell, {tie} does.": (
        "Worden beide kanten bewerkt, dan wint de latere bewerking; is dat niet te zeggen, dan wint {tie}."
    ),
    "When both sides are edited, HubSpot wins.": "Worden beide kanten bewerkt, dan wint HubSpot.",
    "When both sides are edited, Crmoffice wins.": "Worden beide kanten bewerkt, dan wint Crmoffice.",
    "When both sides are edited, a person decides.": "Worden beide kanten bewerkt, dan beslist een mens.",
    "They are the same; the next sync remembers that they agree.": (
        "Ze zijn gelijk; de volgende sync onthoudt dat ze overeenkomen."
    ),
    "They never agreed before, and one side is empty.": "Ze kwamen nooit overeen, en één kant is leeg.",
    "They never agreed before, and differ.": "Ze kwamen nooit overeen, en verschillen.",
    "Neither side was edited since they agreed, so nothing is done.": (
        "Geen van beide kanten werd bewerkt sinds ze overeenkwamen, dus er gebeurt niets."
    ),
    "Both sides were edited to the same value; the next sync remembers that they agree.": (
        "Beide kanten kregen dezelfde waarde; de volgende sync onthoudt dat ze overeenkomen."
    ),
    "Only HubSpot was edited since they agreed.": "Alleen HubSpot werd bewerkt sinds ze overeenkwamen.",
    "Only Crmoffice was edited since they agreed.": "Alleen Crmoffice werd bewerkt sinds ze overeenkwamen.",
    "Both sides were edited since they agreed.": "Beide kanten werden bewerkt sinds ze overeenkwamen.",
    "One side did not tell the value, so nothing is done.": "Eén kant gaf de waarde niet, dus er gebeurt niets.",
    "nobody there fits the key, and the file of flows does not have it made": (
        "niemand daar past bij de sleutel, en volgens het bestand van stromen wordt het niet gemaakt"
    ),
    "the file of flows says that the other side is not written": (
        "volgens het bestand van stromen wordt de andere kant niet beschreven"
    ),
    "the other side was not read whole yet": "de andere kant werd nog niet helemaal gelezen",
    "a part of somebody's key could not be read, so nobody is made": (
        "een deel van iemands sleutel kon niet worden gelezen, dus niemand wordt gemaakt"
    ),
    "it is not known yet whether it was made": "het is nog niet bekend of het werd gemaakt",
    "it is older than the flow looks at": "het is ouder dan waar de stroom naar kijkt",
    "no synchronised record names it": "geen gesynchroniseerd record noemt het",
    "it holds none of the fields": "het heeft geen van de velden",
    "HubSpot contact {a} and Crmoffice contact {b} were a pair, until {why}. Neither is linked or made again.": (
        "HubSpot-contact {a} en Crmoffice-contact {b} waren een paar, tot {why}. Geen van beide wordt opnieuw"
        " gekoppeld of gemaakt."
    ),
    "To let what is left be linked or made again: `tl-hubspot crmoffice release {pair}`.": (
        "Om wat overblijft weer te laten koppelen of maken: `tl-hubspot crmoffice release {pair}`."
    ),
    "HubSpot contact {a} and Crmoffice contact {b} are linked since {day}.": (
        "HubSpot-contact {a} en Crmoffice-contact {b} zijn gekoppeld sinds {day}."
    ),
    "The pair waits: {why}.": "Het paar wacht: {why}.",
    "Crmoffice has another contact with the number {id}: `tl-hubspot explain contact crmoffice:{id}`.": (
        "Crmoffice heeft een ander contact met het nummer {id}: `tl-hubspot explain contact crmoffice:{id}`."
    ),
    "It is not linked: several contacts have the same key, so nothing is done with them.": (
        "Het is niet gekoppeld: meerdere contacten hebben dezelfde sleutel, dus er gebeurt niets mee."
    ),
    "In {there} these fit: {ids}.": "In {there} passen deze: {ids}.",
    "`tl-hubspot crmoffice held` shows how to say who belongs to whom.": (
        "`tl-hubspot crmoffice held` toont hoe u zegt wie bij wie hoort."
    ),
    "It is not linked: {system} refused to make it ({why}), tried {times}; the same values are not sent before"
    " {until} UTC.": (
        "Het is niet gekoppeld: {system} weigerde het te maken ({why}), {times} geprobeerd; dezelfde waarden worden"
        " niet verstuurd voor {until} UTC."
    ),
    "It is not linked: {why}.": "Het is niet gekoppeld: {why}.",
    "It is not linked yet; the next `tl-hubspot crmoffice sync` looks for its counterpart.": (
        "Het is nog niet gekoppeld; de volgende `tl-hubspot crmoffice sync` zoekt de tegenhanger."
    ),
    "{hubspot} in HubSpot, {crmoffice} in Crmoffice: {a} and {b}": (
        "{hubspot} in HubSpot, {crmoffice} in Crmoffice: {a} en {b}"
    ),
    "When they last agreed: {a} and {b}.": "Toen ze laatst overeenkwamen: {a} en {b}.",
    "The clocks of the two may be {seconds} seconds apart; the next sync asks HubSpot for the exact time.": (
        "De klokken van beide kunnen {seconds} seconden verschillen; de volgende sync vraagt HubSpot de juiste tijd."
    ),
    "{system} wins: {why}.": "{system} wint: {why}.",
    "the file of flows says so": "zo staat het in het bestand van stromen",
    "Teamleader made the change": "de verandering kwam uit Teamleader",
    "its edit is later": "de bewerking daar is later",
    "nobody can tell which edit is later": "niemand kan zeggen welke bewerking later is",
    "When both are edited": "Als beide worden bewerkt",
    "Teamleader has this too: what changes there goes to HubSpot and from there to Crmoffice. What is edited in"
    " Crmoffice goes to HubSpot and stays there until somebody changes it in Teamleader.": (
        "Teamleader heeft dit ook: wat daar verandert gaat naar HubSpot en vandaar naar Crmoffice. Wat in"
        " Crmoffice wordt bewerkt gaat naar HubSpot en blijft daar tot iemand het in Teamleader verandert."
    ),
    "A change that Teamleader made in HubSpot wins over one in Crmoffice.": (
        "Een verandering die Teamleader in HubSpot bracht, wint van een in Crmoffice."
    ),
    "HubSpot's value came from Teamleader.": "De waarde in HubSpot kwam uit Teamleader.",
    "Changed in {system} at {when} UTC.": "Veranderd in {system} om {when} UTC.",
    "Changed in {system} between {from_} and {to} UTC.": "Veranderd in {system} tussen {from_} en {to} UTC.",
    "Changed in {system} before {to} UTC.": "Veranderd in {system} voor {to} UTC.",
    "A write of it was interrupted; the next sync looks what became of it.": (
        "Het schrijven werd onderbroken; de volgende sync kijkt wat ervan werd."
    ),
    "{system} refused the value ({why}), tried {times}; the same one is not sent before {until} UTC.": (
        "{system} weigerde de waarde ({why}), {times} geprobeerd; dezelfde wordt niet verstuurd voor {until} UTC."
    ),
    "It waits for you: `tl-hubspot crmoffice held` shows the command that decides it.": (
        "Het wacht op u: `tl-hubspot crmoffice held` toont het commando dat beslist."
    ),
    "It waits: the file of flows says that the other side is not written.": (
        "Het wacht: volgens het bestand van stromen wordt de andere kant niet beschreven."
    ),
    "The next sync writes {value} to {system}, in place of {old}.": (
        "De volgende sync schrijft {value} naar {system}, in plaats van {old}."
    ),
    "{when} UTC, {field}: {a} in HubSpot and {b} in Crmoffice; {outcome} (conflict {id}).": (
        "{when} UTC, {field}: {a} in HubSpot en {b} in Crmoffice; {outcome} (conflict {id})."
    ),
    "HubSpot won": "HubSpot won",
    "Crmoffice won": "Crmoffice won",
    "a person resolved it": "een mens loste het op",
    "it waits for a person": "het wacht op een mens",
    "(not known)": "(niet bekend)",
    "it is no text": "het is geen tekst",
    "it is too long": "het is te lang",
    "it holds characters that are not allowed": "er staan tekens in die niet mogen",
    "it is no telephone number": "het is geen telefoonnummer",
    "the field may not be empty": "het veld mag niet leeg zijn",
    "a contact needs at least one value": "een contact heeft minstens één waarde nodig",
    "Crmoffice did not tell the whole contact, and writing it would empty the rest": (
        "Crmoffice gaf niet het hele contact, en schrijven zou de rest leegmaken"
    ),
}
