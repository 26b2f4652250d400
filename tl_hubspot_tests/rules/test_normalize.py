"""Normal forms: the odd things that people type, and the two ways (polars, Python) giving the same answer."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st
from stdnum.be import vat as be_vat
from stdnum.eu import vat as eu_vat

from tl_hubspot.rules import data, normalize

EXCLUDED = data.FREE_MAIL_HOSTS | data.SOCIAL_HOSTS


def texts(*values: str | None) -> pl.Series:
    return pl.Series(values, dtype=pl.String)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann.Peeters@Example.COM", "ann.peeters@example.com"),
        ("\u00a0\u2003ann@example.com\u3000\n", "ann@example.com"),
        ("ann+news@example.com", "ann+news@example.com"),
        ("a@b.c", "a@b.c"),
        ("o'neill!#$%&*+/=?^_`{|}~-@example.com", "o'neill!#$%&*+/=?^_`{|}~-@example.com"),
        ("ann@MÜLLER.de", "ann@xn--mller-kva.de"),
        ("ann@mu\u0308ller.de", "ann@xn--mller-kva.de"),
        ("ann@xn--mller-kva.de", "ann@xn--mller-kva.de"),
        ("ann@例え.テスト", "ann@xn--r8jz45g.xn--zckzah"),
        ("ann@ｅｘａｍｐｌｅ.com", "ann@example.com"),
        ("ann@example.com\u200b", "ann@example.com"),  # punycode knows no zero-width space
        ("ann@mail.example.co.uk", "ann@mail.example.co.uk"),
        ("x" * 64 + "@example.com", "x" * 64 + "@example.com"),
        (f"a@{'b.' * 125}cc", f"a@{'b.' * 125}cc"),
        # not valid
        (None, None),
        ("", None),
        ("ann", None),
        ("ann@", None),
        ("@example.com", None),
        ("ann@example", None),
        ("ann@example.com.", None),
        (".ann@example.com", None),
        ("ann.@example.com", None),
        ("an..n@example.com", None),
        ("ann peeters@example.com", None),
        ("Ann <ann@example.com>", None),
        ("mailto:ann@example.com", None),
        ("ann@example.com, bob@example.com", None),
        ("ann@bob@example.com", None),
        ('"ann"@example.com', None),
        ("ånn@example.com", None),
        ("ann@exam_ple.com", None),
        ("ann@-example.com", None),
        ("ann@example-.com", None),
        ("ann@example.c0m", None),
        ("ann@10.0.0.1", None),
        ("ann@[10.0.0.1]", None),
        ("ann@☃☃.com", None),
        (f"ann@{'x' * 64}.com", None),
        ("x" * 65 + "@example.com", None),
        (f"a@{'b.' * 125}ccc", None),
        ("ann\u200b@example.com", None),
    ],
)
def test_address(text: str | None, expected: str | None) -> None:
    assert normalize.address(text) == expected


def test_an_address_that_is_not_valid_keeps_its_normal_text() -> None:
    frame = normalize.addresses(texts(" An..N@Example.com ", None, "  ", "ann@example.com", "ÅNN@Müller.de"))
    assert frame["address"].to_list() == ["an..n@example.com", None, None, "ann@example.com", "ånn@xn--mller-kva.de"]
    assert frame["is_valid"].to_list() == [False, False, False, True, False]


@run(deadline=None, max_examples=60)
@given(st.lists(st.text(st.sampled_from("aZ1.+-_@é\u0308İß \u00a0xn"), max_size=12), max_size=8))
def test_addresses_are_stable(values: list[str]) -> None:
    once = normalize.addresses(texts(*values))
    twice = normalize.addresses(once["address"])
    assert twice.filter(once["is_valid"]).equals(once.filter(once["is_valid"]))
    assert once["is_valid"].to_list() == [normalize.address(v) is not None for v in values]
    assert all(address.isascii() for address in once.filter("is_valid")["address"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acme.be", "acme.be"),
        ("www.acme.be", "acme.be"),
        (" HTTPS://WWW.Acme.BE/contact?x=1#y ", "acme.be"),
        ("http:www.acme.be", "acme.be"),
        ("http//www.acme.be", "acme.be"),
        ("https:// www.acme.be", "acme.be"),
        ("//acme.be", "acme.be"),
        ("acme.be:8080/x", "acme.be"),
        ("user:secret@shop.acme.be", "acme.be"),
        ("info@acme.be", "acme.be"),
        ("mailto:info@acme.be", "acme.be"),
        ("www.acme.be / www.acme.nl", "acme.be"),
        ("www.acme.be, www.acme.nl", "acme.be"),
        ("acme.be.", "acme.be"),
        ("a.b.acme.co.uk", "acme.co.uk"),
        ("https.be", "https.be"),
        ("müller.de", "xn--mller-kva.de"),
        ("www.xn--mller-kva.de", "xn--mller-kva.de"),
        # the private part of the suffix list: each is somebody else's
        ("https://acme.github.io/site", "acme.github.io"),
        ("acme.blogspot.com", "acme.blogspot.com"),
        ("github.io", None),
        # what the list does not name has a suffix of one label
        ("www.acme.local", "acme.local"),
        # nobody's
        (None, None),
        ("", None),
        ("n/a", None),
        ("-", None),
        ("be", None),
        ("co.uk", None),
        ("localhost", None),
        ("version 1.2", None),
        ("1.2.3", None),
        ("192.168.1.1", None),
        ("http://[::1]/", None),
        ("acme", None),
        # free mail and networks, and what is below them
        ("ann@gmail.com", None),
        ("www.telenet.be", None),
        ("users.telenet.be/acme", None),
        ("https://www.facebook.com/acme", None),
        ("be.linkedin.com/company/acme", None),
        ("sites.google.com/view/acme", None),
        ("notfacebook.com", "notfacebook.com"),
    ],
)
def test_registrable_domain(text: str | None, expected: str | None) -> None:
    assert normalize.registrable_domain(text, EXCLUDED) == expected


def test_the_hosts_are_the_callers() -> None:
    assert normalize.registrable_domain("ann@gmail.com", frozenset()) == "gmail.com"
    assert normalize.registrable_domain("www.acme.be", {"acme.be"}) is None


def test_suffixes_without_network_and_without_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("network used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("TLDEXTRACT_CACHE", str(tmp_path))
    normalize._suffixes.cache_clear()
    assert normalize.registrable_domain("shop.acme.co.uk", EXCLUDED) == "acme.co.uk"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("BE0899623035", None, "BE0899623035"),
        ("BE 0899.623.035", "NL", "BE0899623035"),
        ("be-0899/623/035", "BE", "BE0899623035"),
        ("0899623035", "BE", "BE0899623035"),
        ("899.623.035", "BE", "BE0899623035"),
        ("BE 899 623 035", None, "BE0899623035"),
        ("BE (0)899.623.035", None, "BE0899623035"),
        ("BTW BE 0899.623.035", None, "BE0899623035"),
        ("BTW-nr.: 0899.623.035", "BE", "BE0899623035"),
        ("TVA BE0899.623.035 RPM Bruxelles", None, "BE0899623035"),
        ("BTWBE0899623035", None, "BE0899623035"),
        ("N° 0899.623.035", "be", "BE0899623035"),
        ("Ondernemingsnummer 0899.623.035", "BE", "BE0899623035"),
        ("１２３", "BE", None),
        ("NL123456782B90", None, "NL123456782B90"),
        ("1234.56.782.B.90", "NL", "NL123456782B90"),
        ("ATU13585627", None, "ATU13585627"),
        ("ATU 13585627", None, "ATU13585627"),
        ("FR 40 303 265 045", None, "FR40303265045"),
        ("40303265045", "FR", "FR40303265045"),
        ("GR 094259216", None, "EL094259216"),
        ("094259216", "GR", "EL094259216"),
        ("EL094259216", None, "EL094259216"),
        # missing or wrong
        (None, "BE", None),
        ("", "BE", None),
        ("n.v.t.", "BE", None),
        ("BE0899623036", "BE", None),
        ("0899623035", None, None),
        ("0899623035", "NL", None),
        ("BE0000000000", "BE", None),
        ("LU00000000", None, None),
        ("2899623035", "BE", None),
        ("GB123456789", "GB", None),
        ("12", "BE", None),
    ],
)
def test_vat_number(text: str | None, country: str | None, expected: str | None) -> None:
    assert normalize.vat_number(text, country) == expected


_BELGIAN = st.integers(1_000_000, 19_999_999).map(lambda n: f"{n:08d}{97 - n % 97:02d}")


@run(deadline=None, max_examples=60)
@given(st.lists(_BELGIAN | st.from_regex("[0-9]{9,10}", fullmatch=True), max_size=20))
def test_belgian_numbers_as_python_stdnum(numbers: list[str]) -> None:
    expected = [f"BE{be_vat.compact(n)}" if be_vat.is_valid(n) else None for n in numbers]
    belgian = pl.Series(["BE"] * len(numbers), dtype=pl.String)
    nowhere = pl.Series([None] * len(numbers), dtype=pl.String)
    assert normalize.vat_numbers(texts(*numbers), belgian).to_list() == expected
    assert normalize.vat_numbers(texts(*(f"BE {n}" for n in numbers)), nowhere).to_list() == expected
    assert normalize.vat_numbers(texts(*(f"BTW BE {n}" for n in numbers)), nowhere).to_list() == expected


@run(deadline=None, max_examples=60)
@given(st.lists(st.text(st.sampled_from("BENLFRATU0123456789. -/(é"), max_size=14), max_size=10))
def test_every_vat_number_is_valid_and_stable(values: list[str]) -> None:
    countries = texts(*("BE" for _ in values))
    found = normalize.vat_numbers(texts(*values), countries)
    assert all(eu_vat.is_valid(number) for number in found.drop_nulls())
    assert normalize.vat_numbers(found, countries).to_list() == found.to_list()


def names(values: Iterable[str | None]) -> list[str | None]:
    return pl.DataFrame({"name": texts(*values)}).select(normalize.name_key(pl.col("name"))).to_series().to_list()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Acme", "acme"),
        ("ACME  N.V.", "acme"),
        ("Acme bvba", "acme"),
        ("Acme BV BVBA", "acme"),
        ("Acme Comm. V.", "acme"),
        ("Acme GmbH & Co. KG", "acme"),
        ("Acme Sp. z o.o.", "acme"),
        ("Acme S.A.R.L.", "acme"),
        ("Café de l'Étoile", "cafe de letoile"),
        ("Café de l’Étoile", "cafe de letoile"),
        ("Café de l´Étoile", "cafe de letoile"),
        ("𝐀cme İ", "acme i"),
        ("Smith & Sons", "smith sons"),
        ("Smith and Sons", "smith and sons"),
        ("Foo-Bar/Baz_Qux", "foo bar baz qux"),
        ("Acme.be", "acmebe"),
        ("Straße 12", "strasse 12"),
        ("Łódź Ø Æ", "lodz o ae"),
        ("BV Acme", "bv acme"),
        ("Savannah", "savannah"),
        ("NV", "nv"),
        ("N.V. & S.A.", "nv"),
        ("株式会社アクメ", "株式会社アクメ"),
        ("...", None),
        ("", None),
        (None, None),
    ],
)
def test_name_key(name: str | None, expected: str | None) -> None:
    assert names([name]) == [expected]


@run(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=20), max_size=10))
def test_name_keys_are_stable_and_ignore_case(values: list[str]) -> None:
    once = names(values)
    assert names(once) == once
    ascii_values = [v for v in values if v.isascii()]
    assert names(v.upper() for v in ascii_values) == names(v.lower() for v in ascii_values)
