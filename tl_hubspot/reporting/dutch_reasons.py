"""What a reason of a failure means and what to do about it (`reasons`), in Dutch. How it is used stands in `dutch`."""

from __future__ import annotations

_AGAIN = "Niets: het wordt vanzelf opnieuw geprobeerd."
_REPORT = (
    "Het wordt vanzelf opnieuw geprobeerd; blijft het mislukken, kijk dan naar het record in HubSpot en naar het"
    " logboek."
)

ADVICE = {
    "Nothing: it is tried again by itself.": _AGAIN,
    "It is tried again by itself; if it keeps failing, look at the record in HubSpot and at the log.": _REPORT,
    "the HubSpot record was archived or deleted by a person": "iemand archiveerde of verwijderde het HubSpot-record",
    "It is not made again. To have it made: `tl-hubspot release contact|company|deal ID`.": (
        "Het wordt niet opnieuw gemaakt. Toch laten maken: `tl-hubspot release contact|company|deal ID`."
    ),
    "a person erased somebody with this address in HubSpot": "iemand wiste in HubSpot een persoon met dit adres",
    "It is not made again. To have it made all the same: `tl-hubspot release contact ID`.": (
        "Het wordt niet opnieuw gemaakt. Toch laten maken: `tl-hubspot release contact ID`."
    ),
    "its opt-out did not come through, so it is not asked for marketing status": (
        "de afmelding kwam niet door, dus er wordt geen marketingstatus gevraagd"
    ),
    "HubSpot shows the person opted out, so it is not asked for marketing status": (
        "in HubSpot is de persoon afgemeld, dus er wordt geen marketingstatus gevraagd"
    ),
    "Nothing: nobody is subscribed again.": "Niets: niemand wordt opnieuw aangemeld.",
    "its HubSpot record belongs to another Teamleader record": (
        "het HubSpot-record hoort bij een ander Teamleader-record"
    ),
    "Merge the two in Teamleader, or give the HubSpot record only the addresses of one of them.": (
        "Voeg de twee samen in Teamleader, of geef het HubSpot-record alleen de adressen van een van beide."
    ),
    "its pipeline or stage could not be made in HubSpot": "de pipeline of fase kon niet worden gemaakt in HubSpot",
    "Make the stage in HubSpot under the same name, or name one under `pipelines` in the mapping file.": (
        "Maak de fase in HubSpot met dezelfde naam, of noem er een onder `pipelines` in het mappingbestand."
    ),
    "HubSpot's answer did not mention it, and reading back did not show it": (
        "het antwoord van HubSpot noemde het niet, en bij het teruglezen was het er niet"
    ),
    "the run stopped before it": "de run stopte ervoor",
    "Mend what stopped the run; the next sync writes it.": "Verhelp wat de run stopte; de volgende sync schrijft het.",
    "a further e-mail address could not be put on the contact": (
        "een extra e-mailadres kon niet op het contact worden gezet"
    ),
    "Put the address on the contact in HubSpot by hand; the next sync sees it.": (
        "Zet het adres met de hand op het contact in HubSpot; de volgende sync ziet het."
    ),
    "HubSpot said yes to an address and did not keep it": "HubSpot aanvaardde een adres en bewaarde het niet",
    "another HubSpot contact has its address": "een ander HubSpot-contact heeft het adres",
    "Merge the two contacts in HubSpot; everything else of the record was written.": (
        "Voeg de twee contacten samen in HubSpot; al het andere van het record werd geschreven."
    ),
    "somebody changed the field meanwhile": "iemand veranderde het veld intussen",
    "Nothing: what a person wrote stays.": "Niets: wat een mens schreef, blijft.",
    "one of its records failed": "een van de records mislukte",
    "Mend the record; the next sync goes on with the rest.": "Verhelp het record; de volgende sync doet de rest.",
    "one of its records is not in HubSpot yet": "een van de records is nog niet in HubSpot",
    "the plan is over a limit": "het plan gaat over een grens",
    "Look at `tl-hubspot plan`, then push it with `tl-hubspot approve DIGEST`, or mend the cause.": (
        "Bekijk `tl-hubspot plan`, en laat het dan door met `tl-hubspot approve DIGEST`, of verhelp de oorzaak."
    ),
    "the import that asks marketing status failed": "de import die de marketingstatus vraagt, mislukte",
    "Look at the import in HubSpot. Nothing: it is tried again by itself.": f"Bekijk de import in HubSpot. {_AGAIN}",
    "somebody cancelled the import that asks marketing status": (
        "iemand annuleerde de import die de marketingstatus vraagt"
    ),
    "somebody reverted the import that asks marketing status": (
        "iemand draaide de import terug die de marketingstatus vraagt"
    ),
    "Ask them why. The next sync asks again.": "Vraag waarom. De volgende sync vraagt het opnieuw.",
    "HubSpot did not take the import that asks marketing status": (
        "HubSpot aanvaardde de import niet die de marketingstatus vraagt"
    ),
    "the import that asks marketing status refused this contact": (
        "de import die de marketingstatus vraagt, weigerde dit contact"
    ),
    "HubSpot does not take a value; the message names the field": (
        "HubSpot aanvaardt een waarde niet; de melding noemt het veld"
    ),
    "Correct the value in Teamleader, or the row of the field in the mapping file. A rule that an administrator set on"
    " the property counts too.": (
        "Verbeter de waarde in Teamleader, of de regel van het veld in het mappingbestand. Ook een regel die een"
        " beheerder op de eigenschap zette, telt."
    ),
    "another HubSpot record has the same address or unique value; the message names it": (
        "een ander HubSpot-record heeft hetzelfde adres of dezelfde unieke waarde; de melding noemt het"
    ),
    "Merge the two records in HubSpot, or take the value off one of them.": (
        "Voeg de twee records samen in HubSpot, of haal de waarde van een van beide weg."
    ),
    "HubSpot has something of that name already": "HubSpot heeft al iets met die naam",
    "HubSpot does not have the record (any more)": "HubSpot heeft het record niet (meer)",
    "Nothing: the next sync looks for it anew. If it was deleted on purpose, it is held until you release it.": (
        "Niets: de volgende sync zoekt het opnieuw. Werd het met opzet verwijderd, dan wacht het tot u het vrijgeeft."
    ),
    "HubSpot does not know what was asked for": "HubSpot kent niet wat werd gevraagd",
    "the access token may not do this": "het toegangstoken mag dit niet",
    "Give the service key the scopes that `tl-hubspot doctor` names, then sync again.": (
        "Geef de service key de scopes die `tl-hubspot doctor` noemt, en synchroniseer opnieuw."
    ),
    "HubSpot does not accept the access token": "HubSpot aanvaardt het toegangstoken niet",
    "Set a valid HUBSPOT_ACCESS_TOKEN.": "Stel een geldige HUBSPOT_ACCESS_TOKEN in.",
    "the access token has expired": "het toegangstoken is verlopen",
    "Set a new HUBSPOT_ACCESS_TOKEN.": "Stel een nieuwe HUBSPOT_ACCESS_TOKEN in.",
    "HubSpot's limit of calls was used up": "de limiet van oproepen naar HubSpot was op",
    "Run again later; lower HUBSPOT_RATE_LIMIT when other programs use the same portal.": (
        "Probeer het later opnieuw; verlaag HUBSPOT_RATE_LIMIT als andere programma's hetzelfde portaal gebruiken."
    ),
    "Run again later.": "Probeer het later opnieuw.",
    "somebody else was writing the same record": "iemand anders schreef hetzelfde record",
    "HubSpot is moving the account to another data centre": "HubSpot verhuist het account naar een ander datacentrum",
    "Run again tomorrow.": "Probeer het morgen opnieuw.",
    "HubSpot had trouble with this record": "HubSpot had moeite met dit record",
    "HubSpot refused it without saying why": "HubSpot weigerde het zonder te zeggen waarom",
}
