"""What people read: worked dates are what the rules compute, every alert has its remedy, no link is broken."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tl_hubspot.orchestration.checks import CHECKS
from tl_hubspot.planning.guards import Counts, check
from tl_hubspot.rules import contacts, deals
from tl_hubspot_tests.rules import builders as b
from tl_hubspot_tests.rules.builders import at, contact

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
RULES = (DOCS / "rules.md").read_text(encoding="utf-8")
HANDBOOK = (DOCS / "handbook.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Cells of the table under a heading, without the marks of code."""
    section = RULES.partition(f"## {heading}")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip().strip("`").replace("–", "") for cell in line.strip("|").split("|")] for line in lines]


def decide(row: dict[str, Any], linked: set[str], as_of: str = "2026-11-02") -> list[str]:
    settings = b.settings(as_of=datetime.fromisoformat(as_of).replace(hour=12, tzinfo=UTC))
    found = b.rows(contacts.decide(b.contacts(row), linked, settings))["c1"]
    return [found["status"], found["reason"]]


def test_the_dates_of_contacts() -> None:
    worked = rows("Contacts: how long")
    assert len(worked) == 8
    for as_of, changed, *expected in worked:
        assert decide(contact("c1", changed=changed), set(), as_of) == expected, (as_of, changed)


@pytest.mark.parametrize(
    ("told", "values", "linked"),
    [
        ("no address", {"email": None}, False),
        ("address without a domain", {"email": "ann@"}, False),
        ("deactivated, never in HubSpot", {"status": "deactivated"}, False),
        ("box unticked", {"marketing_mails_consent": False}, False),
        ("consent not known", {"marketing_mails_consent": None}, False),
        ("deactivated, in HubSpot", {"status": "deactivated"}, True),
        ("box ticked", {}, False),
    ],
)
def test_what_else_counts(told: str, values: dict[str, Any], linked: bool) -> None:
    expected = {row[0]: row[1:] for row in rows("Contacts: what else")}
    assert decide(contact("c1", changed="2026-05-01", **values), {"c1"} if linked else set()) == expected[told]


def test_the_dates_of_deals() -> None:
    worked = rows("Deals")
    assert len(worked) == 7
    people = contacts.decide(b.contacts(contact("c1")), set(), b.settings())
    for status, created, moved, closed, *expected in worked:
        row = b.deal("d1", status=status, created_at=at(created), closed_at=at(closed or None))
        history = b.history(*([("d1", f"{moved} 12:00:00")] if moved else []))
        found = b.rows(deals.decide(b.deals(row), history, people, set(), b.MAPPED, b.settings()))["d1"]
        assert [found["status"], found["reason"], found["label"] or ""] == expected, row


def test_every_check_and_limit_has_its_remedy() -> None:
    names = {spec.name for checks in CHECKS for spec in checks.check_specs}
    limits = {limit.name for limit in check(Counts(vanished=dict.fromkeys(("contact", "company", "deal"), (0, 1))))}
    assert (names | limits) - set(re.findall(r"`(\w+)`", HANDBOOK)) == set()


def test_the_site_is_made_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(line, cwd=ROOT, env=quiet, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    pages = {page.stem for page in DOCS.glob("*.md")} - {"index"}
    assert {page.parent.name for page in (tmp_path / "site").glob("*/index.html")} >= pages
