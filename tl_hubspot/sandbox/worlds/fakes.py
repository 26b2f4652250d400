"""Invented Belgian and Dutch names, addresses, telephone and VAT numbers: word lists and pure functions of a number.

No record shapes (`shapes`), no decisions about who has what (`portfolio`, `subset`). Nobody here is real: every domain
lies under the reserved `.example`, Belgian enterprise numbers are drawn from 0100-0199 (never issued), Dutch VAT
numbers from the 999 test range, telephone numbers from a few narrow blocks.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

FIRST_NAMES = (
    ("An", "female"), ("Bram", "male"), ("Carine", "female"), ("Daan", "male"), ("Els", "female"), ("Femke", "female"),
    ("Geert", "male"), ("Hilde", "female"), ("Inge", "female"), ("Joris", "male"), ("Katrien", "female"),
    ("Lander", "male"), ("Maarten", "male"), ("Nele", "female"), ("Olivier", "male"), ("Pieter", "male"),
    ("Quinten", "male"), ("Ruth", "female"), ("Stijn", "male"), ("Tine", "female"), ("Ulrike", "female"),
    ("Veerle", "female"), ("Wouter", "male"), ("Xander", "male"), ("Yasmine", "female"), ("Zeger", "male"),
    ("Amélie", "female"), ("Benoît", "male"), ("Chloé", "female"), ("Dorien", "female"), ("Emre", "male"),
    ("Fatima", "female"), ("Gijs", "male"), ("Hanne", "female"), ("Ilse", "female"), ("Jeroen", "male"),
    ("Koen", "male"), ("Liesbeth", "female"), ("Mehdi", "male"), ("Noor", "female"), ("Roos", "female"),
    ("Sanne", "female"), ("Thijs", "male"), ("Virginie", "female"), ("Willem", "male"), ("Zoë", "female"),
)  # fmt: skip
FAMILY_NAMES = (
    "Aerts", "Baeten", "Claes", "De Backer", "De Clercq", "De Smet", "De Wit", "Dubois", "Engelen", "Fransen",
    "Geerts", "Goossens", "Hendrickx", "Hermans", "Jacobs", "Janssens", "Jansen", "Kuipers", "Lambert", "Lemmens",
    "Maes", "Martens", "Mertens", "Michiels", "Nijs", "Noël", "Oosterlinck", "Pauwels", "Peeters", "Quintens",
    "Raes", "Renard", "Segers", "Smeets", "Stevens", "Thijs", "Timmermans", "'t Hart", "Urbain", "Van Damme",
    "Van den Berg", "Van der Meer", "Vermeulen", "Verstraete", "Visser", "Wauters", "Willems", "Wouters", "Ybema",
    "Zwaenepoel",
)  # fmt: skip
BELGIAN_CITIES = (
    ("1000", "Brussel"), ("2000", "Antwerpen"), ("2300", "Turnhout"), ("2800", "Mechelen"), ("3000", "Leuven"),
    ("3500", "Hasselt"), ("3600", "Genk"), ("4000", "Liège"), ("5000", "Namur"), ("7000", "Mons"), ("8000", "Brugge"),
    ("8400", "Oostende"), ("8500", "Kortrijk"), ("8800", "Roeselare"), ("9000", "Gent"), ("9100", "Sint-Niklaas"),
    ("9300", "Aalst"), ("9600", "Ronse"),
)  # fmt: skip
DUTCH_CITIES = (
    ("1011 AB", "Amsterdam"), ("2011 CD", "Haarlem"), ("2511 EF", "Den Haag"), ("3011 GH", "Rotterdam"),
    ("3511 JK", "Utrecht"), ("4811 LM", "Breda"), ("5011 NP", "Tilburg"), ("5611 RS", "Eindhoven"),
    ("6511 TV", "Nijmegen"), ("7511 WX", "Enschede"), ("8011 ZA", "Zwolle"), ("9711 BC", "Groningen"),
)  # fmt: skip
STREETS = (
    "Kerkstraat", "Stationsstraat", "Dorpsplein", "Molenweg", "Nieuwstraat", "Schoolstraat", "Lindelaan", "Havenkaai",
    "Industrieweg", "Kapelstraat", "Beukendreef", "Veldstraat", "Bosweg", "Grote Markt", "Ambachtenlaan",
    "Zonnebloemstraat",
)  # fmt: skip
TRADES = (
    "Bakkerij", "Garage", "Drukkerij", "Tuinen", "Schrijnwerkerij", "Brouwerij", "Architecten", "Apotheek",
    "Dakwerken", "Kwekerij", "Installaties", "Advies", "Verzekeringen", "Transport", "Keukens", "Interieur", "Optiek",
    "Slagerij", "Notelaars", "Textiel", "Metaalbouw", "Software", "Drankenhandel", "Fietsen", "Bouwbedrijf",
    "Boekhouding", "Reizen", "Wasserij", "Elektro", "Vastgoed", "Opleidingen", "Catering",
)  # fmt: skip
BRAND_HEADS = (
    "Zilver", "Noorder", "Linde", "Wolken", "Amber", "Distel", "Eike", "Ganzen", "Heide", "Iris", "Korhoen", "Lavendel",
    "Maan", "Nachtegaal", "Oker", "Parel", "Reiger", "Salie", "Tarwe", "Uilen", "Vlier", "Wilgen", "Zeester", "Zwaluw",
    "Berken", "Dolfijn", "Fazant", "Koper", "Merel", "Robijn", "Saffier",
)  # fmt: skip
BRAND_TAILS = (
    "hoeve", "molen", "kring", "toren", "dal", "poort", "burcht", "horst", "wende", "veste", "haven", "brug", "donk",
    "gaarde", "spoor", "lei", "punt", "kamp", "beke", "rode", "schans", "terp", "vaart", "waard", "zate", "akker",
    "boog", "kreek", "laar",
)  # fmt: skip
POSITIONS = (
    "Zaakvoerder", "Aankoper", "Boekhouder", "Directeur", "HR-verantwoordelijke", "IT-verantwoordelijke",
    "Marketing manager", "Office manager", "Projectleider", "Verkoopster",
)  # fmt: skip
BELGIAN_LEGAL_FORMS = ("BV", "NV", "VOF", "CV", "VZW")
DUTCH_LEGAL_FORMS = ("B.V.", "N.V.", "V.O.F.")

UNIQUE_COMPANY_NAMES = len(TRADES) * len(BRAND_HEADS) * len(BRAND_TAILS)
_SCATTER = 7919  # a prime that divides none of the list lengths: neighbours get unrelated names, none twice


def company_name(index: int) -> str:
    """Name without legal form of the `index`-th invented company; no two indexes share one."""
    round_, place = divmod(index, UNIQUE_COMPANY_NAMES)
    place = place * _SCATTER % UNIQUE_COMPANY_NAMES
    place, trade = divmod(place, len(TRADES))
    tail, head = divmod(place, len(BRAND_HEADS))
    name = f"{TRADES[trade]} {BRAND_HEADS[head]}{BRAND_TAILS[tail]}"
    return name if round_ == 0 else f"{name} {round_ + 1}"


def company_domain(index: int) -> str:
    """Registrable domain of the `index`-th company, for example `bakkerij-zilverhoeve-12.example`."""
    # Trades and brands are plain ASCII words.
    return f"{company_name(index).lower().replace(' ', '-')}-{index}.example"


def _slug(text: str) -> str:
    """Lower-case ASCII letters and digits of `text`, words joined by hyphens: usable as a label of a domain."""
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return "-".join("".join(c if c.isalnum() else " " for c in plain.replace("'", "")).split())


@lru_cache(maxsize=len(FIRST_NAMES) * len(FAMILY_NAMES))
def mailbox(first_name: str, family_name: str) -> str:
    """ASCII local part of a person's address: `zoe.vandamme`."""
    return f"{_slug(first_name)}.{_slug(family_name).replace('-', '')}"


def belgian_vat(index: int) -> str:
    """Enterprise number of ten digits with a valid check (modulus 97), 0 <= index < 1,000,000, no country code."""
    base = 1_000_000 + index % 1_000_000
    return f"{base:08d}{97 - base % 97:02d}"


def dutch_vat(index: int) -> str:
    """Dutch VAT number with country code and valid check digits (modulus 97 over the whole), 0 <= index < 1,000,000."""
    digits = f"999{index % 1_000_000:06d}"
    # ISO 7064: N=23, L=21, B=11; the two last digits, 02 to 98, bring the remainder to 1.
    check = 98 - int(f"2321{digits}1100") % 97
    return f"NL{digits}B{check:02d}"


def telephone(kind: str, country: str, number: int, *, international: bool = False) -> str:
    """A number that is valid in `country` (BE, NL), as people write it; `kind` is mobile or phone."""
    tail = f"{number % 10000:04d}"
    if country == "BE":
        national = f"{'0470 00' if kind == 'mobile' else '09 200'} {tail[:2]} {tail[2:]}"
    else:
        national = f"{'06 1000' if kind == 'mobile' else '020 500'} {tail}"
    return f"+{'32' if country == 'BE' else '31'} {national[1:]}" if international else national
