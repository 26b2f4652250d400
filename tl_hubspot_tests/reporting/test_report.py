"""`tl-hubspot report` on real runs, looked at in a real browser: light, dark, on a phone."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from tl_hubspot.errors import CredentialsRefused
from tl_hubspot.orchestration.steps import ageing, costing, planning, reports
from tl_hubspot.reporting import ageing_page, plan_page
from tl_hubspot.reporting.plan_view import Chosen
from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.worlds import shapes
from tl_hubspot_tests.e2e.builders import Story, story
from tl_hubspot_tests.e2e.conftest import Make
from tl_hubspot_tests.reporting.conftest import PHONE, Open, Opened


@pytest.fixture(scope="module")
def told(make: Make) -> Story:
    """Two runs: with a failure, duplicates, flaws in the data and, before the second, a person's edit in HubSpot."""
    world = story(make)
    firm = world.company("Bakkerij Zonder Nummer", vat_number=None)
    for n in range(6):
        world.contact(f"c{n}@voorbeeld.be", changed=world.ago(years=n), companies=[shapes.link(firm)] if n == 1 else [])
    for n in (1, 2):
        world.contact(f"c{n}@voorbeeld.be", changed=world.ago(years=3, days=n))
    world.contact(None)
    world.contact("geen adres")
    world.fail("poison", "contacts/batch/upsert", record="c3@", times=None)
    _write_plan(world)
    assert world.sync().exit_code == 1
    linked = "select hubspot_id from sync.links where entity_type = 'contact' order by teamleader_id limit 1"
    world.portal.patch("contacts", world.product.read(linked).item(), {"lastname": "Geheim"})
    assert world.sync().exit_code == 1
    platform = world.product.platform()
    ageing_page.write(_page(world, "ageing"), ageing.ageing(platform, 1500, ["contact", "company", "deal"], names=True))
    return world


def _page(world: Story, name: str) -> Path:
    """Where a page stands; `ageing` and `plan` are written once."""
    if name == "report":
        return reports.write(world.product.platform(), "latest")
    return world.product.platform().settings.reports_folder / f"{name}.html"


def _write_plan(world: Story) -> None:
    """As `plan --html` does, with a look at what it costs."""
    world.product.environment |= {"TL_HUBSPOT_MARKETING__TIER": "1", "TL_HUBSPOT_MARKETING__RENEWAL": "2020-12-01"}
    world.plan()
    run = world.product.read("from sync.runs").row(0, named=True)
    platform = world.product.platform()
    plan = planning.stored_plan(platform, run)
    assert plan.changes.height
    costs = costing.marketing(platform, plan).sentences()
    plan_page.write(_page(world, "plan"), plan, Chosen(), costs, run)
    for name in ("TIER", "RENEWAL"):
        del world.product.environment[f"TL_HUBSPOT_MARKETING__{name}"]


@pytest.fixture(scope="module")
def page(told: Story) -> Path:
    """The report of the latest run."""
    return reports.write(told.product.platform(), "latest")


def test_one_file_that_only_its_owner_reads_and_an_index(told: Story, page: Path) -> None:
    run_ids = told.product.read("select run_id from sync.runs order by started_at")["run_id"].to_list()
    assert page == told.product.platform().settings.reports_folder / f"{run_ids[-1]}.html"
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    first = reports.write(told.product.platform(), run_ids[0][:8])
    index = page.with_name("index.html").read_text()
    assert f'href="{page.name}"' in index and f'href="{first.name}"' in index
    assert "A later run has looked at the data since" in first.read_text()


def test_a_run_writes_it_where_that_is_asked_for(told: Story, page: Path) -> None:
    told.product.environment["TL_HUBSPOT_REPORTS__AFTER_EACH_RUN"] = "true"
    told.portal.faults.clear()
    told.portal.faults.add(Fault("status", "owners", status=401, times=None))
    folder = told.product.platform().settings.reports_folder
    before = set(folder.glob("*.html"))
    with pytest.raises(CredentialsRefused):
        told.product.run(as_of=told.now.isoformat())
    (written,) = set(folder.glob("*.html")) - before
    run = told.product.read("from sync.runs order by started_at desc limit 1").row(0, named=True)
    assert written.stem == run["run_id"], json.dumps(run, default=str)
    assert "Why it stopped" in written.read_text()


def test_what_it_says(page: Path, opened: Open) -> None:
    text = opened(page).page.inner_text("body")
    words = " ".join(text.split())
    for part in (
        "Done, but some records failed",
        "1 contact: HubSpot does not take a value",
        "Correct the value in Teamleader",
        "not again before",
        "Contacts left out: 2",
        "The same e-mail address; the survivor was changed last (",
        "Contacts with an e-mail address that cannot be one: 1",
        "Companies in HubSpot without a valid VAT number: 1 of 1",
        "1 difference in",
        "lastname",
        "2 years ago",
    ):
        assert part in words, text
    for secret in ("voorbeeld", "Voornaam", "Achternaam", "Geheim", "Bakkerij", "geen adres"):
        assert secret not in page.read_text(), "people are named by their ids only"


@pytest.mark.parametrize(
    ("name", "scheme", "width"),
    [
        *(("report", "light", 1100), ("report", "dark", PHONE), ("index", "dark", PHONE)),
        *((name, scheme, width) for name in ("ageing", "plan") for scheme, width in (("light", 1100), ("dark", PHONE))),
    ],
)
def test_nothing_is_loaded_nothing_is_wrong(
    told: Story, page: Path, opened: Open, name: str, scheme: str, width: int
) -> None:
    path = page if name == "report" else _page(told, name)
    shown = opened(path, scheme=scheme, width=width)
    assert shown.requested == [path.as_uri()]
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width, "it does not scroll sideways"
    pictures = {"plan": 0, "ageing": 1}.get(name, 3)
    assert shown.page.locator("svg[role=img][aria-label]").count() >= pictures
    colour = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(18, 22, 28)") is (scheme == "dark")
    assert shown.violations() == []
    assert shown.said == []


def test_links_lead_somewhere(told: Story, page: Path, opened: Open) -> None:
    shown = opened(page)
    both = "select id from {0}.contacts union select id from {0}.companies"
    known = {system: set(told.product.read(both.format(system))["id"]) for system in ("teamleader", "hubspot")}
    met = set()
    for href in shown.hrefs():
        if match := re.fullmatch(r"https://focus\.teamleader\.eu/(?:contact|company)_detail\.php\?id=(.+)", href):
            system = "teamleader"
        elif match := re.fullmatch(r"https://app-eu1\.hubspot\.com/contacts/\d+/record/0-[12]/(\d+)", href):
            system = "hubspot"
        else:
            assert _is_there(shown, page, href), href
            continue
        assert match.group(1) in known[system], href
        met.add(system)
    assert met == {"teamleader", "hubspot"}


def _is_there(shown: Opened, page: Path, href: str) -> bool:
    if href.startswith("#"):
        return shown.page.locator(f"[id='{href[1:]}']").count() == 1
    return page.with_name(href).is_file()
