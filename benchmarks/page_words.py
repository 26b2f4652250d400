"""What docs/performance.md says in words, beside the figures that `page.py` takes from the results."""

from __future__ import annotations

from math import ceil

INTRODUCTION = """
<!-- made by benchmarks/page.py from benchmarks/results; do not edit -->
# How fast it is

Ratios come first, then the figures they are made of. Measured on {machines}. Each figure is one run as it came, on a
virtual machine whose speed changes by a factor of two to four from one minute to the next, and which could not be kept
free of other work altogether; [the last section](#how-it-was-measured) says how fast it was at each measurement.
Nothing is scaled to a better moment.
"""

PROMISES = """
All promises are for a million contacts on two cores. Where less was measured, the line through the last two sizes is
drawn on to a million ("so about"), and the ratio is that of this reckoning; from less than a hundred thousand nothing
is reckoned, and the ratio is that of the size measured.
"""

GROWTH = """
The exponent says by which power of the number of contacts the seconds grow between the two largest sizes: 1 is in
proportion, below 1 is better than that. Starting the program is in all figures of whole processes.
"""

OF = {
    "load": """
Contacts come as pages of 100 from a file, exactly as `contacts.list` gives them, through the same decoding, checks,
typing, history and transactions as in a run: 20,000 records are stored at once with the position reached. Every figure
is of a process of its own and counts its start. `python benchmarks/load.py --contacts 1000000`.
""",
    "decide_and_plan": """
From records in the database to the plan of a first run, with everything new: companies are a fifth of the contacts,
deals half of them, links 1.2 per contact, and HubSpot holds a quarter of the contacts beforehand. The plan is made in
parts and each let go; the last line makes it once more and stores it (a row with all values per change).
`python benchmarks/decide_and_plan.py --contacts 1000000`.
""",
    "publish": """
The copy is made beside the working database and switched in at once, while one reader opens it again and again and
another connection stays open; a reader that failed, or saw something else on its open connection, would end the
benchmark. A copy writes only what differs from the last but one; the first two are whole, and so is one while somebody
keeps the last but one open. `python benchmarks/publish.py --contacts 1000000`.
""",
    "later_runs": """
The command as a process of its own, from its start to its exit code, against the local sandbox without limits of calls,
which runs on the same two cores, so that its work counts too. A first run of such an account over HTTP takes hours: its
outcome was put in place (records in the systems and tables, the plan as if it had been pushed), after which a real run
read HubSpot anew and found nothing to write. Each size was measured on its own; the largest is the last one below. A
thousand calls to Teamleader for links belong to a thousand changed contacts. The run after one that wrote reads back
what HubSpot now says changed. At a million nobody had written to the account for half an hour: what was written since
is asked for once more. The file was in the memory of the system, from a run before; where it has to be read from disk
first (4.3 GB, here 0.1 GB per second), a run in which nothing changed took up to 9.3 s, 5.0 s of processor.
`python benchmarks/later_runs.py --contacts 100000`.
""",
    "whole_run": """
The same command with everything over HTTP, the first run too. `python benchmarks/whole_run.py --contacts 10000`.
""",
    "push": """
A first plan into an empty portal: the local sandbox as a process of its own on the same two cores, 190 calls per 10 s,
every answer 0.3 s later. Companies are a fifth of the contacts, deals three tenths, and more than half of the changes
are relations. The ledger is what a run remembers: journal, links, values, log. `python benchmarks/push.py`.
""",
    "journal": """
Creates, updates, relations and opt-outs with a HubSpot that answers on the spot: what is left is our own work per call,
most of which carries 100 records. Where there is a limit, the journal must not cost calls.
`python benchmarks/journal.py`.
""",
    "push_rate": """
Creates under HubSpot's limit of 190 calls per 10 seconds, by how long a call takes; the first window, whose calls
go faster, does not count. `python benchmarks/push_rate.py`.
""",
    "calls": """
The reading steps of runs against the local sandbox without its limit, every call counted beside the
[computed minimum](calls.md#the-computed-minimum): a first run, one in which nothing changed, one after 1 % of the
contacts, companies and deals were edited, and the first of the next day, which reads a seventh of the links again.
Seconds are those of this machine, minutes those that the calls take at Teamleader's limit. The last line stores answers
into a table of as many links as it says instead of contacts. `python benchmarks/calls.py --contacts 1000`.
""",
    "mirror": """
What HubSpot holds is read before each plan, in the way that takes the fewest calls; here each way is asked for in turn,
of a portal of that many contacts, and in the end the choice is left to the program. The least calls are the pages and
batches that hold what is read, with a page of archived records for list and search. A search looks up every contact
that Teamleader has as well, as after a run in which all of them changed.
`python benchmarks/mirror.py --portal 5000 --teamleader 500`.
""",
    "two_way": """
Cycles of linked contacts, each a process of its own, with 190 calls per 10 s in both systems: seconds from the
configuration to the stored outcome. Where Crmoffice has no filter for changes, its whole list is read. The least calls
are those that the same outcome can be had for: an edit is read with its history before it is written.
`python benchmarks/two_way.py --contacts 10000 --edits 200`.
""",
    "two_way_planner": """
The decisions of one cycle without any call, from records, links and values in memory to the plan: 1 % of the contacts
were edited on each side, one in a thousand on both. The peak counts Python and the records, which take what is told as
before the plan. Intervals, writes and conflicts are rows of the plan.
`python benchmarks/two_way_planner.py --links 1000000`.
""",
}

PROFILES = """
## Where the time goes, and what was done about it

Samples of py-spy, a hundred a second, of the three slowest paths; boxes are our own functions, and what DuckDB and
polars do counts for the function that called them.

**Decide, match and plan** (100,000 contacts, with storing the plan): a third of the samples is DuckDB, storing
decisions and plan and reading tables as frames; the digest of the plan takes an eighth, no other line more than 3 %:
the rest is spread over many polars expressions. Done, and what it brought at a million contacts on one machine (168 s
and 8,116 MiB before, 105 s and 3,038 MiB after): the plan is made in parts and read a hundred thousand records at a
time (to read twenty thousand at a time took as long for each, 25 s in all); nothing is held that can be read again;
relations are compared one kind after the other by ids alone; an address is normalised in a seventh of the time, because
its pattern captures nothing, and a date of a phase in a third; one text is sorted instead of five. And on the faster
machine of today (45.8 s and 3,110 MiB before, 31.5 s and 2,831 MiB after): creates are not compared, signs to escape
are looked for in the bytes of a whole column, only columns that are looked at are read, relations stay in their order,
and ids are not compressed. Storing the plan as well took 4,522 MiB and takes 2,869: DuckDB keeps whatever was
registered in a transaction until that ends, so that every part stayed in memory; now it is given something that lets go
of the part. Tried without gain: categories instead of repeated texts, JSON of structs, one pattern for all protected
names, huge pages for the allocator of polars. What is left is 45 s of processor time on 1.4 cores, spread over
hundreds of expressions: to end in 12 s, half of that would have to go and the other half to keep both cores busy.

**Load** (100,000 contacts, the picture is of before): a quarter of the time was in commits, and nearly all of that in
the checkpoint that compresses 256 MB of new rows, each record in its table and in the history. Done first: 20,000
records are stored at once instead of 5,000, and stored texts are read of records that are known already, no longer of
all: 87 → 47 s of processor time for 300,000. Done since: the history holds only what is no more, so that a first load
stores each record once; DuckDB works in one thread, because its own mostly waited for one another in a loop (6 s of
processor time instead of 17 to store 300,000 records, 27 instead of 34 to plan 100,000); records are read, decoded and
typed while those before them are stored; where a record stands is looked up once and what is compared is read from
there. Tried without gain: checkpoints eight times as rare (slower), 2 GB of memory for DuckDB instead of 512 MB
(slower), older storage formats (the same), row groups of 30,000 (larger files), all records of a first load in one
transaction (the same).

**A run in which nothing changed** (3,000 contacts): a third of the samples is importing modules, half is Dagster and
its thirty steps with what they call; a sixth is DuckDB. Done: long lists no longer go to DuckDB as parameters (0.22
ms for each item), which links to read again is chosen there, and associations that did not change are left alone. What
changed is known by row: links, decisions, eligible records and the plan are computed anew only for what follows from
it, by the same rules over fewer rows (end-to-end scenarios make such a plan of all records as well and compare). The
local systems lacked indexes: 14 of the 33 s of such a run at a million were their looking for changes.

**A run after 1,000 changes of a million contacts** took 134 s of processor time when it was first measured, most of it
in DuckDB. Down to 67 s: what the consent ledger, the outcomes and the log say is compared for those records alone that
the plan looked at; and long texts are no longer changed in place, because the next checkpoint compresses those of all
rows anew (7 s for 1,000 of `sync.shadows`), but taken out and put in again. Down to 57 s: a plan of some records reads
each table once, a changed contact is read once instead of three times, and few rows of many are read by deleting them
and taking that back, because of what it deletes DuckDB reads no other long texts (1,000 of a million in 0.2 instead of
1.2 s). Since then, wished, remembered and mirrored associations are compared only where something changed.

On the faster machine of today the same took 30.6 s of processor time, and 20 s after the following. Columns that rows
are found by are stored as they are: two thirds of a pass over a million ids was unpacking them (35 ms, now 14; files of
a large account are a quarter larger for it). A decision of which only what nobody looks at differs is no news for other
decisions; a table that comes out the same is the same to whoever looks at it. Checks read only rows that may offend.
What a record said before is read once, to compare it and to keep it; a value that all rows have is set by making its
column anew. Tried without gain: places of rows by hashes in memory (filling them takes what they save), two threads,
lists of ids in the text of a query, 3 GB of memory for DuckDB. What is left is 8 s of start, calls and Dagster, as in
an account of ten thousand, and some hundred passes over the tables, each of 0.01 to 0.1 s: half of the time is
DuckDB's, a fifth the system's (reading blocks, memory), a fifth Python's.

Rows that are picked out of a large table by deleting them are deleted 256 at a time: DuckDB keeps every block of such
a statement in memory until it ends. For 3,000 rows all over a table of a million that was 460 MB: with what else a run
holds more than the 512 MB there are.
"""

TEN_MILLION = """
Nothing here was run: each line goes on from the two largest sizes that were measured, in a straight line; only what was
measured at half a million or more is told.
"""

MEMORY = """
## What grows with the portal

Bounded: pages are stored 20,000 records at a time, or what came in 15 seconds, and then let go of; answers about links
and phases 200 at a time; a plan is made and stored in parts of 20,000 records and 50,000 relations, of which three are
there at a time, from 100,000 records read at once; the push holds a few batches of each kind at once; what the consent
ledger, the outcomes and the log say of all records is compared in parts; DuckDB keeps to 512 MB and spills to disk
beyond that (2 GB where wished, remembered and mirrored associations are compared).

Not bounded, in the order of what they take: the rules hold the columns they look at as frames, and a plan the ids,
addresses and keys by which records are matched and the pairs that are to be related, so that memory grows with the
number of records (see the peak above: it is what limits a portal on one machine); the push reads the whole plan; a full
reading of a list remembers the ids that it has met, to find what is missing and what repeats (about 100 bytes each).
A run that decides and plans a million contacts anew which HubSpot has already peaks at 2.7 GB.
"""

MEASURED = """
## How it was measured

Each benchmark writes a file in `benchmarks/results` with the machine, the versions and the date; `make bench` runs the
small sizes and `python benchmarks/page.py` makes this page. Every figure of a process is from a process of its own:
seconds from start to end, the peak of its resident memory. A fixed loop of Python before and after tells how fast the
machine was at that moment: the more, the slower.
"""

# calls per record at the APIs: pages of 100 in lists, batches of 100 in writes, one call per company for links
LINKED_COMPANIES, DEALS, DEALS_WITH_PHASES, ELIGIBLE, RELATIONS = 0.2, 0.5, 0.3, 0.75, 1.4


def ten_million_calls(contacts: int = 10_000_000) -> str:
    """Calls and hours at the APIs' limits for a first run and for a later one."""
    companies, deals = int(contacts * LINKED_COMPANIES), int(contacts * DEALS)
    lists = ceil((contacts + companies + deals) / 100)
    phases = int(deals * DEALS_WITH_PHASES)
    written = ceil((contacts * ELIGIBLE + companies + deals * 0.6) / 100)
    relations = ceil(contacts * RELATIONS / 100)
    mirrored = ceil((contacts * ELIGIBLE + companies + deals * 0.6) / 100)
    lines = [
        ("Teamleader: lists, 100 records per call", lists, 180 / 60),
        ("Teamleader: links, one call per company", companies, 180 / 60),
        ("Teamleader: phases of the deals whose decision needs them, one call each", phases, 180 / 60),
        ("HubSpot: records written, 100 per call", written, 19),
        ("HubSpot: relations, 100 per call", relations, 19),
        ("HubSpot: its records read back, 100 per call", mirrored, 19),
    ]
    table = "\n".join(f"| {what} | {calls:,} | {calls / rate / 3600:,.1f} |" for what, calls, rate in lines)
    hours = sum(calls / rate / 3600 for _, calls, rate in lines[:3])
    return f"""
Calls of a first run with 2,000,000 companies and 5,000,000 deals, at 180 calls a minute and 190 per 10 seconds:

| what | calls | hours |
|---|--:|--:|
{table}

So Teamleader's limit decides: {hours / 24:,.0f} days for a first run, which goes on where it was stopped, against about
an hour of computing. A later run asks for what changed and takes as many calls as a small account. The limit on one
machine is memory: making the plan of ten million new contacts takes what the table says, so that it needs a machine of
that size. The next one is HubSpot's search, which gives 10,000 records per question: beyond that many changes between
two runs the list is read.
""".strip()
