"""`docs/rivals.md` from `benchmarks/results/rivals.json`: ratios first, then every figure, then how it was measured.

Every statement about who is better is computed here; the fixed text only says what was done, and from which documents.
`python benchmarks/rivals/page.py` writes the page anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

Facts = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "rivals.json"
PAGE = ROOT / "docs" / "rivals.md"
OURS = "tl_hubspot"
READERS = {"dlt": "dlt", OURS: OURS}
LOADERS = {
    "drt_hubspot": "drt, HubSpot destination",
    "drt_rest_api": "drt, REST API destination",
    "hubspot_api_client": "hubspot-api-client script",
    OURS: OURS,
}
CALLS = {"teamleader_calls": "Teamleader calls", "hubspot_calls": "HubSpot calls"}
ALIKE = 0.05
"""Share by which two figures may differ and still count as equal."""


def text(results: Facts) -> str:
    """The whole page, as Markdown."""
    extraction, loading = results["extraction"], results["loading"]
    parts = [
        _INTRODUCTION.format(**results["versions"] | {"drt": results["versions"]["drt-core"]}),
        _conditions(results),
        "## In short\n\nHow many times what tl_hubspot takes a rival takes; below 1 the rival takes less.",
        _ratios(extraction, loading),
        _not_measured(loading),
        "### Where a rival is better",
        _bullets(_better(extraction, loading)) or "In none of the cases measured.",
        "### Where tl_hubspot is better",
        _bullets(_worse(extraction, loading)) or "In none of the cases measured.",
        "## Reading Teamleader",
        _reading(extraction),
        "## Changed contacts to HubSpot",
        _loading(loading),
        "## Nothing changed",
        _nothing_changed(loading),
        "## Killed (-9) when half of the contacts were written, then run again",
        _killed(loading),
        "## One contact that HubSpot refuses",
        _refused(loading),
        _METHOD,
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


# --- words and tables ------------------------------------------------------------------------------------------------


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"* {line}" for line in lines)


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}"


def _times(rival: float, ours: float) -> str:
    if not ours:
        return "1" if not rival else "–"
    ratio = rival / ours
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}" if ratio >= 0.1 else f"{ratio:.2f}"


def _conditions(results: Facts) -> str:
    told, machine = results["conditions"], results["machine"]
    return (
        f"Measured on {results['measured_at'][:10]} with {machine['cores']} cores ({machine['system']}), Python"
        f" {results['versions']['python']}. Every answer takes {told['latency_seconds']} s longer than the local system"
        f" needs for it. HubSpot allows {told['hubspot_calls_per_10_s']} calls per 10 s, Teamleader"
        f" {told['teamleader_calls_per_minute']} a minute. Seconds are those of the whole process, its start"
        " included; time in which this machine ran none of it is left out."
    )


# --- comparing -------------------------------------------------------------------------------------------------------


def _cases(extraction: Facts, loading: Facts) -> list[tuple[str, str, str, Facts, Facts]]:
    """(case, rival, name of the calls, the rival's facts, ours) of everything that both have run."""
    found = []
    for part, words in (("everything", "Reading everything"), ("changes", "Reading what changed")):
        found.append((words, "dlt", "teamleader_calls", extraction["dlt"][part], extraction[OURS][part]))
    cases = [(f"load_{size}", f"Loading {size:,} changed contacts") for size in loading["sizes"]]
    for part, words in (*cases, ("killed", "Going on after a kill")):
        for rival, name in LOADERS.items():
            if rival != OURS and part in loading[rival]:
                found.append((words, name, "hubspot_calls", loading[rival][part], loading[OURS][part]))
    return found


def _ratios(extraction: Facts, loading: Facts) -> str:
    rows = [
        (case, rival, _times(facts[calls], ours[calls]), _times(facts["seconds"], ours["seconds"]))
        for case, rival, calls, facts, ours in _cases(extraction, loading)
    ]
    return _table(["Case", "Rival", "Calls", "Seconds"], rows)


def _better(extraction: Facts, loading: Facts) -> list[str]:
    """What a rival does with less, and what it finds that the product does not."""
    lines = []
    for case, rival, calls, facts, ours in _cases(extraction, loading):
        said = [
            f"{facts[name]:,} instead of {ours[name]:,} {words}"
            for name, words in ((calls, CALLS[calls]), ("seconds", "seconds"))
            if facts[name] < ours[name] * (1 - ALIKE)
        ]
        if said:
            lines.append(f"{case}: {rival} takes {' and '.join(said)}.")
    quiet = loading[OURS]["nothing_changed"]
    for rival, name in LOADERS.items():
        if rival != OURS and "nothing_changed" in loading[rival]:
            facts = _sum(loading["dlt"]["nothing_changed"], loading[rival]["nothing_changed"])
            said = [
                f"{facts[key]:,} instead of {quiet[key]:,} {words}"
                for key, words in (*CALLS.items(), ("seconds", "seconds"))
                if facts[key] < quiet[key] * (1 - ALIKE)
            ]
            if said:
                lines.append(f"Nothing changed: dlt and then {name} take {' and '.join(said)}.")
    return lines


def _worse(extraction: Facts, loading: Facts) -> list[str]:
    """Where the product takes less, and what only it gets right."""
    lines = []
    for case, rival, calls, facts, ours in _cases(extraction, loading):
        said = [
            f"{ours[name]:,} instead of {facts[name]:,} {words}"
            for name, words in ((calls, CALLS[calls]), ("seconds", "seconds"))
            if ours[name] < facts[name] * (1 - ALIKE)
        ]
        if said:
            lines.append(f"{case}: {' and '.join(said)} with {rival}.")
    lines += _only_ours(extraction["dlt"], extraction[OURS], _READING, "dlt")
    for rival, name in LOADERS.items():
        if rival != OURS:
            lines += _only_ours(loading[rival], loading[OURS], _WRITING, name)
    return lines + _overwritten(loading)


Right = Callable[[Facts], int]
_READING: tuple[tuple[str, str, Right], ...] = (
    ("changes", "new links that moved no time of change found", lambda f: f["links_found"]),
    ("everything", "contacts of several companies whose first company is known", lambda f: f["firsts_known"]),
    ("moving", "contacts missing for good after a list was edited while it was read", lambda f: -f[_MISSING]),
)
_MISSING = "missing_after_the_next_increment"
_WRITING: tuple[tuple[str, str, Right], ...] = (
    ("killed", "contacts written twice after a kill", lambda f: -f["written_again"]),
    ("killed", "contacts written after going on", lambda f: f["written"]),
    (
        "refused",
        "contacts not written because HubSpot refused one",
        lambda f: f["written"] - f["changed"],
    ),
)


def _overwritten(loading: Facts) -> list[str]:
    """Whose last names, given by people in HubSpot, are lost."""
    case = f"load_{loading['sizes'][-1]}"
    ours, lines = loading[OURS][case]["overwritten"], []
    for rival, name in LOADERS.items():
        facts = loading[rival].get(case)
        if rival != OURS and facts and facts["overwritten"] > ours:
            lines.append(
                f"Of {facts['edited_by_people']:,} last names that people had changed in HubSpot, {name} overwrites"
                f" {facts['overwritten']:,}, tl_hubspot {ours:,}."
            )
    return lines


def _only_ours(rival: Facts, ours: Facts, kinds: Iterable[tuple[str, str, Right]], name: str) -> list[str]:
    return [
        f"{words[0].upper()}{words[1:]}: {abs(right(ours[case])):,}, with {name} {abs(right(rival[case])):,}."
        for case, words, right in kinds
        if case in rival and right(ours[case]) > right(rival[case])
    ]


def _having(loading: Facts, case: str) -> list[tuple[str, Facts]]:
    """Those that have run a case: a measuring that was broken off has not run all."""
    return [(key, loading[key][case]) for key in LOADERS if case in loading[key]]


def _not_measured(loading: Facts) -> str:
    cases = [(key, case) for key in LOADERS for case in loading[OURS] if case not in loading[key]]
    lines = [f"{LOADERS[key]}, {case.replace('_', ' ')}" for key, case in cases]
    return f"Not measured, because the measuring was broken off: {'; '.join(lines)}." if lines else ""


def _sum(one: Facts, other: Facts) -> Facts:
    names = ("seconds", "teamleader_calls", "hubspot_calls", "hubspot_writes")
    return {name: round(one.get(name, 0) + other.get(name, 0), 1) for name in names}


# --- the parts -------------------------------------------------------------------------------------------------------


def _reading(extraction: Facts) -> str:
    everything, changes, moving = (
        {READERS[name]: extraction[name][part] for name in READERS} for part in ("everything", "changes", "moving")
    )
    first = _table(
        ["Everything", "Calls", "Seconds", "Contacts", "Companies", "Deals", "Links", "First company known"],
        [
            (
                name,
                f["teamleader_calls"],
                f["seconds"],
                *(_of(f[f"{kind}_read"], f[kind]) for kind in ("contacts", "companies", "deals", "links")),
                _of(f["firsts_known"], f["firsts"]),
            )
            for name, f in everything.items()
        ],
    )
    second = _table(
        ["What changed", "Calls", "Seconds", "Edits found", "Deletions found", "New links found"],
        [
            (
                name,
                f["teamleader_calls"],
                f["seconds"],
                *(_of(f[f"{kind}_found"], f[kind]) for kind in ("edits", "deletions", "links")),
            )
            for name, f in changes.items()
        ],
    )
    third = _table(
        ["Edited while it is read", "Edits, deletions", "Missing", "Outdated", "Missing later", "Outdated later"],
        [
            (
                name,
                f"{f['edited_meanwhile']}, {f['deleted_meanwhile']}",
                f["missing_after_it"],
                f["outdated_after_it"],
                f[_MISSING],
                f["outdated_after_the_next_increment"],
            )
            for name, f in moving.items()
        ],
    )
    return "\n\n".join((_EVERYTHING, first, _CHANGES, second, _MOVING, third))


def _loading(loading: Facts) -> str:
    rows = [
        (
            f"{size:,}: {name}",
            f["hubspot_calls"],
            f["hubspot_writes"],
            f["seconds"],
            _of(f["written"], f["changed"]),
            _of(f["edited_by_people"] - f["overwritten"], f["edited_by_people"]),
            f["others_changed"],
            f["more"],
        )
        for size in loading["sizes"]
        for name, f in ((LOADERS[key], f) for key, f in _having(loading, f"load_{size}"))
    ]
    heads = [
        "Contacts",
        "Calls",
        "of them writes",
        "Seconds",
        "Written",
        "People's edits kept",
        "Others changed",
        "More",
    ]
    return f"{_LOADING}\n\n{_table(heads, rows)}"


def _nothing_changed(loading: Facts) -> str:
    dlt = loading["dlt"]["nothing_changed"]
    named = {
        f"dlt, then {LOADERS[key]}": _sum(dlt, facts)
        for key, facts in _having(loading, "nothing_changed")
        if key != OURS
    }
    named[OURS] = loading[OURS]["nothing_changed"]
    rows = [
        (name, *(f[key] for key in ("teamleader_calls", "hubspot_calls", "hubspot_writes", "seconds")))
        for name, f in named.items()
    ]
    heads = ["", "Teamleader calls", "HubSpot calls", "of them writes", "Seconds"]
    return f"{_table(heads, rows)}\n\n{_QUIET}"


def _killed(loading: Facts) -> str:
    rows = [
        (
            LOADERS[key],
            f["written_before"],
            f["hubspot_calls"],
            f["seconds"],
            f["written_again"],
            _of(f["written"], f["changed"]),
            f["others_changed"],
            f["more"],
        )
        for key, f in _having(loading, "killed")
    ]
    heads = [
        "",
        "Written before",
        "Calls then",
        "Seconds then",
        "Written again",
        "Written in the end",
        "Others changed",
        "Duplicates",
    ]
    return f"{_table(heads, rows)}\n\n{_RECOVERY}"


def _refused(loading: Facts) -> str:
    rows = [
        (
            LOADERS[key],
            f["hubspot_calls"],
            _of(f["written"], f["changed"]),
            f["changed"] - f["written"],
            f["kept"],
            f["exit_code"],
        )
        for key, f in _having(loading, "refused")
    ]
    heads = ["", "Calls", "Written", "Not written", "Kept for another try", "Exit code"]
    return f"{_table(heads, rows)}\n\n{_REFUSED}"


_INTRODUCTION = """
# Side by side

tl_hubspot beside dlt {dlt} (reading Teamleader), drt-core {drt} and a script on hubspot-api-client {hubspot-api-client}
(loading HubSpot): one run, the same local Teamleader and HubSpot over real HTTP, each in the best configuration that
its documents describe. This page is made from `benchmarks/results/rivals.json`; `make rivals` measures anew.
"""
_EVERYTHING = """
Contacts, companies, deals and the links between contacts and companies, from nothing. dlt reads the lists and
`companies.info` of every company for the links; which company is a contact's first, only `contacts.info` says:
tl_hubspot asks that for contacts that may go to HubSpot. It uses 180 calls a minute, dlt all it can get.
"""
_CHANGES = """
Afterwards contacts are edited, deleted, and linked to a company; Teamleader moves no time of change for a link. Neither
finds a deletion in what changed: tl_hubspot finds it in its daily reading of everything, dlt when it is told to load
everything anew.
"""
_MOVING = """
The list of contacts is read from nothing while, after one page and another, somebody edits or deletes a contact that
was given already. *Missing* are contacts that exist and were not read, *outdated* those read in an older version;
*later* is after one reading more of what changed.
"""
_LOADING = """
New first names for contacts that are in HubSpot already; before, people gave one in a hundred of them (at least one)
another last name in HubSpot. The rivals read first and last names from a table in DuckDB; tl_hubspot pushes
(`approve`) the plan that its `sync` made of the same edits in Teamleader. Its calls and seconds hold what the rivals do
not do: each record is read before it is written, so that the run can be undone and nothing that a person changed is
overwritten; a journal survives a kill; the analysts' copy is published. *Written* are changed contacts that hold their
new first name in the end, *others changed* any other contact that is not as it was, *more* records that were not there.
"""
_QUIET = """
The rivals ask Teamleader (dlt) for what changed and then find no row beyond their watermark; none of them looks at
HubSpot. tl_hubspot's run also reads in HubSpot what people changed, archived or opted out there, checks its plan,
and publishes the analysts' copy.
"""
_RECOVERY = """
*Written again* are contacts whose writing call HubSpot had carried out before the kill. The rivals run the same command
again; their watermark moves at the end of a run only. tl_hubspot runs `sync`: it reads Teamleader and HubSpot, settles
what was under way, and pushes what is left, so its seconds hold a whole run.
"""
_REFUSED = """
The local HubSpot answers 400 for this one contact; in a batch with trace ids it is an error beside 99 results, in one
without the whole batch is refused. Exit code 1 says that a record failed. What is kept for another try is in
drt's dead-letter queue (`drt retry`), in the script's table (all of it is sent again), in `sync.failures`.
"""
_METHOD = """
## How each is configured

* **dlt**, `benchmarks/rivals/teamleader_dlt.py`: POST lists with the page in the body, `updated_since` from the
  incremental cursor, merge by id, a child resource per company, parallelized; retries long enough for a limit by the
  minute; sorted by creation, which no edit moves. Follows
  [REST API source](https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api/basic) and *Requests helper*.
* **drt, HubSpot destination**, `drt/hubspot.yml`: `match_policy: update_only` (one call a contact instead of two),
  incremental by cursor, dead-letter queue. It writes one contact per call (`HubSpotDestination.load` in
  `drt/destinations/hubspot.py`; only reading is in batches) and holds itself to 9 calls a second, whatever is
  configured. Follows [docs/connectors/hubspot.md](https://github.com/drt-hub/drt/blob/main/docs/connectors/hubspot.md).
* **drt, REST API destination**, `drt/rest_api.yml`: `body_mode: batch` to `batch/upsert`, a hundred a call, 19 calls a
  second. Without trace ids: drt takes every 2xx answer for success of all its records (`RestApiDestination` in
  `drt/destinations/rest_api.py`), so an error beside results would be lost silently.
* **hubspot-api-client**, `hubspot_client.py`: `batch/upsert` of 100 with trace ids, 8 at a time, urllib3's retry on 429
  and 5xx, a watermark. Follows the README of hubspot-api-client.
* **tl_hubspot**: as installed.

drt has no setting for HubSpot's address; `hubspot_drt.py` changes that one constant and nothing else. All run on one
machine with the local systems, which take processor time of their own.
"""


if __name__ == "__main__":
    PAGE.write_text(text(json.loads(RESULTS.read_text())))
