"""What the rules say, and what would change a decision, in Dutch. How it is used stands in `dutch`."""

from __future__ import annotations

RULES = {
    "Not reached: rule {number} decided.": "Niet meer aan de beurt: regel {number} besliste.",
    # contacts: the questions
    "Is there an e-mail address?": "Is er een e-mailadres?",
    "Is the e-mail address valid?": "Is het e-mailadres geldig?",
    "Is it known when it was changed or added?": "Is bekend wanneer het werd gewijzigd of toegevoegd?",
    "Was it changed in the last 5 years?": "Werd het in de laatste 5 jaar gewijzigd?",
    "Is it active, or in HubSpot already?": "Is het actief, of al in HubSpot?",
    "Does no other contact with the same e-mail address go first?": (
        "Gaat geen ander contact met hetzelfde e-mailadres voor?"
    ),
    "Is the address free of opt-outs?": "Heeft niemand dit adres afgemeld?",
    "Is it known whether there is consent?": "Is bekend of er toestemming is?",
    "Is it active?": "Is het actief?",
    "Was it changed in the last 2 years?": "Werd het in de laatste 2 jaar gewijzigd?",
    "Otherwise": "In alle andere gevallen",
    # contacts: the answers
    "Teamleader has no e-mail address for this contact, so it cannot be imported.": (
        "Teamleader heeft geen e-mailadres van dit contact, dus het kan niet worden overgenomen."
    ),
    "There is an e-mail address, so it may be imported.": "Er is een e-mailadres, dus het mag worden overgenomen.",
    "The e-mail address is not a valid one, so the contact is not imported.": (
        "Het e-mailadres is niet geldig, dus het contact wordt niet overgenomen."
    ),
    "The e-mail address is valid, so it may be imported.": "Het e-mailadres is geldig, dus het mag worden overgenomen.",
    "Teamleader gives neither a date of change nor a date of creation, so its age is not known.": (
        "Teamleader geeft geen datum van wijziging of aanmaak, dus de leeftijd is niet bekend."
    ),
    "Last changed on {day}, so its age is known.": "Laatst gewijzigd op {day}, dus de leeftijd is bekend.",
    "Last changed on {day}{future}; {verdict}": "Laatst gewijzigd op {day}{future}; {verdict}",
    " (a date in the future)": " (een datum in de toekomst)",
    "that is more than 5 years ago (limit {limit}), so it is not imported.": (
        "dat is meer dan 5 jaar geleden (grens {limit}), dus het wordt niet overgenomen."
    ),
    "that is not more than 5 years ago (limit {limit}), so it may be imported.": (
        "dat is niet meer dan 5 jaar geleden (grens {limit}), dus het mag worden overgenomen."
    ),
    "It is deactivated in Teamleader and was never in HubSpot, so it is not imported.": (
        "Het is gedeactiveerd in Teamleader en was nooit in HubSpot, dus het wordt niet overgenomen."
    ),
    "It is deactivated in Teamleader, but it is in HubSpot already, so it stays there.": (
        "Het is gedeactiveerd in Teamleader, maar het is al in HubSpot, dus het blijft daar."
    ),
    "It is active in Teamleader, so it may be imported.": (
        "Het is actief in Teamleader, dus het mag worden overgenomen."
    ),
    "Contact {other} has the same e-mail address and goes first (active, then changed last),"
    " so this one is not imported.": (
        "Contact {other} heeft hetzelfde e-mailadres en gaat voor (eerst actief, dan laatst gewijzigd),"
        " dus dit contact wordt niet overgenomen."
    ),
    "No other contact with the same e-mail address goes first, so it is imported.": (
        "Geen ander contact met hetzelfde e-mailadres gaat voor, dus het wordt overgenomen."
    ),
    "Marketing e-mail is switched off for this contact in Teamleader, which counts as an opt-out,"
    " so it is no marketing contact.": (
        "Marketingmails staan in Teamleader uit voor dit contact; dat geldt als afmelding,"
        " dus het is geen marketingcontact."
    ),
    "Contact {other} with the same e-mail address opted out of marketing e-mail in Teamleader;"
    " the opt-out belongs to the address, so this is no marketing contact.": (
        "Contact {other} met hetzelfde e-mailadres meldde zich in Teamleader af voor marketingmails;"
        " de afmelding hoort bij het adres, dus dit is geen marketingcontact."
    ),
    "Nobody opted this address out of marketing e-mail, so it may be a marketing contact.": (
        "Niemand meldde dit adres af voor marketingmails, dus het mag een marketingcontact zijn."
    ),
    "Teamleader does not say whether there is consent, so it is no marketing contact.": (
        "Teamleader zegt niet of er toestemming is, dus het is geen marketingcontact."
    ),
    "Teamleader says whether there is consent, so it may be a marketing contact.": (
        "Teamleader zegt of er toestemming is, dus het mag een marketingcontact zijn."
    ),
    "It is deactivated in Teamleader, so it is no marketing contact.": (
        "Het is gedeactiveerd in Teamleader, dus het is geen marketingcontact."
    ),
    "It is active in Teamleader, so it may be a marketing contact.": (
        "Het is actief in Teamleader, dus het mag een marketingcontact zijn."
    ),
    "that is less than 2 years ago (limit {limit}), so it is a marketing contact.": (
        "dat is minder dan 2 jaar geleden (grens {limit}), dus het is een marketingcontact."
    ),
    "that is 2 years ago or more (limit {limit}), so it is no marketing contact.": (
        "dat is 2 jaar of langer geleden (grens {limit}), dus het is geen marketingcontact."
    ),
    "between 2 and 5 years ago: imported, but no marketing contact.": (
        "tussen 2 en 5 jaar geleden: overgenomen, maar geen marketingcontact."
    ),
    # companies
    "Does no other company that is the same go first?": "Gaat geen ander record van hetzelfde bedrijf voor?",
    "Does a contact that is imported work here?": "Werkt hier een contact dat wordt overgenomen?",
    "Company {other} is the same company ({key}) and goes first, so this one is not imported; its contacts and deals go"
    " to that one.": (
        "Bedrijf {other} is hetzelfde bedrijf ({key}) en gaat voor, dus dit record wordt niet overgenomen; de contacten"
        " en deals gaan naar dat bedrijf."
    ),
    "VAT number": "btw-nummer",
    "internet domain": "internetdomein",
    "name": "naam",
    "No other Teamleader company that is the same goes first, so it may be imported.": (
        "Geen ander Teamleader-record van hetzelfde bedrijf gaat voor, dus het mag worden overgenomen."
    ),
    "Contact {contact} works here and is imported, so the company is imported too.": (
        "Contact {contact} werkt hier en wordt overgenomen, dus het bedrijf ook."
    ),
    "No contact that works here is imported.": "Geen contact dat hier werkt, wordt overgenomen.",
    "A company without a contact that is imported stays out of HubSpot.": (
        "Een bedrijf zonder contact dat wordt overgenomen, komt niet in HubSpot."
    ),
    # deals
    "Does the deal name a contact?": "Noemt de deal een contact?",
    "Is that contact imported?": "Wordt dat contact overgenomen?",
    "Open: did its status change in the last 2 years?": "Open: veranderde de status in de laatste 2 jaar?",
    "Open: was it created in the last 5 years?": "Open: werd de deal in de laatste 5 jaar aangemaakt?",
    "Open: otherwise": "Open: in alle andere gevallen",
    "Closed: did its status change in the last 2 years, or is it in HubSpot already?": (
        "Gesloten: veranderde de status in de laatste 2 jaar, of is de deal al in HubSpot?"
    ),
    "Closed: otherwise": "Gesloten: in alle andere gevallen",
    "Does HubSpot have a stage for it?": "Heeft HubSpot er een fase voor?",
    "The deal names no contact: its customer is no contact and there is no contact person.": (
        "De deal noemt geen contact: de klant is geen contact en er is geen contactpersoon."
    ),
    "The deal names a contact, so it may be imported.": "De deal noemt een contact, dus hij mag worden overgenomen.",
    "Contact {contact} {why}, so the deal is not imported either.": (
        "Contact {contact} {why}, dus de deal wordt ook niet overgenomen."
    ),
    "is not imported ({reason})": "wordt niet overgenomen ({reason})",
    "does not exist": "bestaat niet",
    "Contact {contact} is a duplicate; contact {other} is imported and takes its deals.": (
        "Contact {contact} is dubbel; contact {other} wordt overgenomen en krijgt de deals."
    ),
    "Contact {contact} is imported, so the deal may be imported.": (
        "Contact {contact} wordt overgenomen, dus de deal mag worden overgenomen."
    ),
    "The deal is closed; this rule is for open deals.": "De deal is gesloten; deze regel is voor open deals.",
    "that is less than 2 years ago, so it is imported.": "dat is minder dan 2 jaar geleden, dus hij wordt overgenomen.",
    "that is 2 years ago or more.": "dat is 2 jaar of langer geleden.",
    "It is not known when the deal was created.": "Het is niet bekend wanneer de deal werd aangemaakt.",
    "that is not more than 5 years ago, so it is imported with the label {label}.": (
        "dat is niet meer dan 5 jaar geleden, dus hij wordt overgenomen met het label {label}."
    ),
    "that is more than 5 years ago.": "dat is meer dan 5 jaar geleden.",
    "Created on {day}; {verdict} (Limit {limit}.)": "Aangemaakt op {day}; {verdict} (Grens {limit}.)",
    "An open deal that is older and has not moved for 2 years stays out of HubSpot.": (
        "Een open deal die ouder is en 2 jaar niet bewoog, komt niet in HubSpot."
    ),
    "By configuration no closed deal is imported (deals.closed: never).": (
        "Volgens de instellingen wordt geen gesloten deal overgenomen (deals.closed: never)."
    ),
    "It is in HubSpot already, so it is kept up to date.": "De deal is al in HubSpot, dus hij wordt bijgehouden.",
    "By configuration only closed deals that are in HubSpot already are imported (deals.closed: linked_only).": (
        "Volgens de instellingen worden alleen gesloten deals bijgehouden die al in HubSpot zijn"
        " (deals.closed: linked_only)."
    ),
    "A closed deal that none of the rules above takes stays out of HubSpot.": (
        "Een gesloten deal die door geen van de regels hierboven wordt overgenomen, komt niet in HubSpot."
    ),
    "closed stages for its pipeline": "gesloten fasen van zijn pipeline",
    "a stage for its phase": "een fase",
    "HubSpot has no mapping to {what}, so the deal is held until somebody maps it.": (
        "In HubSpot is er geen koppeling met {what}, dus de deal wacht tot iemand die koppeling maakt."
    ),
    "There is a mapping to {what}.": "Er is een koppeling met {what}.",
    "It is not known when its status changed.": "Het is niet bekend wanneer de status veranderde.",
    "Its status last changed on {day}; {verdict} (Limit {limit}.)": (
        "De status veranderde het laatst op {day}; {verdict} (Grens {limit}.)"
    ),
}

CHANGES = {
    "a marketing contact": "een marketingcontact",
    "a non-marketing contact": "een contact zonder marketing",
    "left out": "een contact dat niet wordt overgenomen",
    "An edit in Teamleader today makes it {what}.": "Een wijziging in Teamleader vandaag maakt er {what} van.",
    "A valid e-mail address in Teamleader makes it {what}.": (
        "Een geldig e-mailadres in Teamleader maakt er {what} van."
    ),
    "Activating it in Teamleader makes it {what}.": "Activeren in Teamleader maakt er {what} van.",
    "Unticking the box for marketing e-mail in Teamleader makes it {what}.": (
        "Het vakje voor marketingmails in Teamleader uitvinken maakt er {what} van."
    ),
    "Ticking the box for marketing e-mail in Teamleader makes it {what}.": (
        "Het vakje voor marketingmails in Teamleader aanvinken maakt er {what} van."
    ),
    "Without contact {other}, or with another address there, it is {what}.": (
        "Zonder contact {other}, of met een ander adres daar, is het {what}."
    ),
    "Becomes a marketing contact on {day}.": "Wordt een marketingcontact op {day}.",
    "Becomes non-marketing on {day}.": "Is geen marketingcontact meer vanaf {day}.",
    "Goes out of scope on {day}.": "Hoort niet meer in HubSpot vanaf {day}.",
    "Goes out of scope on {day}, when no contact that works here is imported any more.": (
        "Hoort niet meer in HubSpot vanaf {day}, als geen contact dat hier werkt nog wordt overgenomen."
    ),
    "It is the same as company {other}, which stands for it and is {state}.": (
        "Het is hetzelfde als bedrijf {other}, dat ervoor in de plaats komt en {state}."
    ),
    "in scope": "in HubSpot hoort",
    "out of scope": "niet in HubSpot hoort",
    "A link in Teamleader to a contact that is imported brings it into HubSpot.": (
        "Een koppeling in Teamleader met een contact dat wordt overgenomen, brengt het in HubSpot."
    ),
    "Contact {contact} works here but is left out ({reason}); once it is imported, the company is too.": (
        "Contact {contact} werkt hier maar wordt niet overgenomen ({reason}); zodra dat wel zo is, het bedrijf ook."
    ),
    "{what} {words}.": "{what} {words}.",
    "A change of phase in Teamleader today": "Een andere fase in Teamleader vandaag",
    "Naming a contact that is imported": "Een contact noemen dat wordt overgenomen",
    "Importing contact {contact}": "Contact {contact} overnemen",
    "A stage in HubSpot for it": "Een fase ervoor in HubSpot",
    "gives it the label {label}": "geeft de deal het label {label}",
    "takes the label {label} away": "haalt het label {label} weg",
    "brings it into HubSpot": "brengt de deal in HubSpot",
    "brings it into HubSpot with the label {label}": "brengt de deal in HubSpot met het label {label}",
    "takes it out of scope": "haalt de deal uit HubSpot",
    "has it held, for lack of a stage in HubSpot": "laat de deal wachten, bij gebrek aan een fase in HubSpot",
    "Gets the label {label} on {day}.": "Krijgt het label {label} op {day}.",
}
"""What would change a decision."""
