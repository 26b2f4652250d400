"""The command line: each command calls what the Dagster assets call, prints for people or as JSON, sets the exit code.

Standard output holds the answer (one JSON document with --json), standard error everything else. Errors are one
sentence; an error that nobody expected goes to a file, never to the screen as a bare stack trace.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import sqlite3
import sys
import traceback
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import click
import typer
from rich.console import Console

from tl_hubspot import __version__
from tl_hubspot.commands import (
    ageing,
    audit,
    auth,
    consent,
    crmoffice,
    digest,
    doctor,
    explain,
    mapping,
    plan,
    report,
    runs,
    sql,
    undo,
    webhooks,
)
from tl_hubspot.errors import ConfigurationError, ExitCode, TlHubspotError

app = typer.Typer(
    name="tl-hubspot",
    help="Synchronises Teamleader Focus to HubSpot: reads, decides, plans, pushes only the differences.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(auth.app, name="auth")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(crmoffice.app, name="crmoffice")
app.command("plan")(plan.plan)
app.command("explain")(explain.explain)
app.command("ageing")(ageing.ageing)
app.command("undo")(undo.undo)
app.command("audit")(audit.audit)
app.command("runs")(runs.runs)
app.command("run")(runs.run)
app.command("report")(report.report)
app.command("digest")(digest.digest)
app.command("sql")(sql.sql)
app.command("doctor")(doctor.doctor)
app.add_typer(consent.app, name="consent")
app.add_typer(mapping.app, name="mapping")
_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)

AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="Decide as if it were this date or instant (default: now)."),
]
Only = Annotated[
    str | None, typer.Option("--only", metavar="LIST", help="Change only these: contacts,companies,deals.")
]
Full = Annotated[bool, typer.Option("--full", help="Read all of Teamleader again: finds silent changes and deletions.")]
Subset = Annotated[
    str | None,
    typer.Option(
        "--subset",
        metavar="N,N,N",
        help="To begin with: only so many contacts, companies and deals that belong together: 50,10,10.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Entity = Annotated[str, typer.Argument(metavar="contact|company|deal")]


@app.command()
def sync(as_of: AsOf = None, only: Only = None, full: Full = False, subset: Subset = None) -> None:
    """Read Teamleader, decide, plan, and push the differences to HubSpot."""
    _run("sync", as_of=as_of, only=only, full=full, subset=subset)


def _plan_calls(as_of: str | None, full: bool, as_json: bool) -> None:
    from tl_hubspot.orchestration.steps import call_plan
    from tl_hubspot.reporting import call_plan as printed

    made = call_plan.make(_platform("plan", as_of=as_of, full=full))
    if as_json:
        _print_json(printed.to_json(made))
    else:
        _out.print(printed.render(made))


@app.command()
def approve(
    digest: Annotated[str, typer.Argument(help="Digest of the held plan, as `sync` and `plan` print it.")],
) -> None:
    """Push a held plan: exactly that plan, once. Of `crmoffice`: let the deletions through that stopped it."""
    crmoffice.approve(digest)
    _run("approve", approved=digest)


@app.command()
def release(entity: Entity, record: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Let a held record be synced again (for example one that was deleted in HubSpot)."""
    from tl_hubspot.orchestration.steps import releasing

    platform = _platform("release")
    releasing.release(platform, _entity(entity), record)
    _out.print(f"Released: the next sync looks at {entity} {record} as if it were new.")


@app.command()
def tidy(as_json: Json = False) -> None:
    """Throw away what is no state and old: log, settled journal, rows and files of runs; see `retention`."""
    from tl_hubspot.orchestration.execute import tidy as throw_away

    freed = throw_away(_platform("tidy"))
    if as_json:
        _print_json(freed)
    else:
        _out.print("\n".join(f"{what}: {number:,}" for what, number in freed.items()), markup=False)


@app.command()
def demo(
    world: Annotated[str, typer.Option(help="Sample data: demo (1,000 contacts) or subset (50 contacts).")] = "demo",
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget earlier demos and start again.")] = False,
    limits: Annotated[bool, typer.Option(help="HubSpot's real limit of 190 calls per 10 s.")] = True,
) -> None:
    """The whole job on sample data in a local sandbox; needs no credentials."""
    from tl_hubspot.demo import run_demo

    _exit(run_demo(world, fresh=fresh, limits=limits, console=_out, progress=_progress))


@app.command()
def sandbox(
    world: Annotated[str, typer.Option(help="Sample data: subset, demo, generated or empty.")] = "subset",
    contacts: Annotated[int | None, typer.Option(help="Number of contacts of a generated world.")] = None,
    state: Annotated[Path | None, typer.Option(help="Folder that keeps the sandbox between runs.")] = None,
    teamleader_port: Annotated[int, typer.Option(help="Port of Teamleader (0: any free one).")] = 0,
    hubspot_port: Annotated[int, typer.Option(help="Port of HubSpot (0: any free one).")] = 0,
    crmoffice_port: Annotated[int, typer.Option(help="Port of Crmoffice (0: any free one).")] = 0,
    caps: Annotated[str, typer.Option(help="What Crmoffice can do, for example write=put_full,etag=1.")] = "",
    teamleader_limit: Annotated[bool, typer.Option(help="Enforce Teamleader's limit of 200 calls a minute.")] = True,
    hubspot_limit: Annotated[bool, typer.Option(help="Enforce HubSpot's limit of 190 calls per 10 s.")] = True,
    as_json: Json = False,
) -> None:
    """Run the local Teamleader, HubSpot and Crmoffice until stopped; prints the environment to use them."""
    from tl_hubspot.sandbox.serve import serve_forever

    try:
        serve_forever(
            world,
            contacts=contacts,
            state=state,
            ports=(teamleader_port, hubspot_port, crmoffice_port),
            teamleader_limit=teamleader_limit,
            hubspot_limit=hubspot_limit,
            crmoffice=caps,
            announce=_print_json if as_json else _print_environment,
        )
    except (ValueError, OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(
            f"The sandbox cannot start: {reason}", mend="Choose another world, port or --state folder"
        ) from None


@app.command()
def dev(port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000) -> None:
    """The Dagster UI on 127.0.0.1 with the sandbox running."""
    from tl_hubspot.demo import run_dev

    _exit(run_dev(port, console=_err))


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        _out.print(__version__)
        raise typer.Exit


_CTRL_C = 130
"""What typer makes of Ctrl-C, as the result of the call."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # imports make hundreds of thousands of objects that stay: looking through them again and again costs half a second
    gc.set_threshold(500_000)
    code = run(sys.argv[1:])
    gc.freeze()  # else Python looks through all of them once more when it ends: a second
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit code (0 done, 1 records failed, 2 usage, 3 held, 4 stopped)."""
    try:
        if _commands().main(arguments, standalone_mode=False) == _CTRL_C:
            raise KeyboardInterrupt
    except _Ended as ended:
        return ended.code
    except click.exceptions.NoArgsIsHelpError as error:
        _err.print(error.format_message(), markup=False)
        return ExitCode.USAGE
    except click.ClickException as error:
        _err.print(f"{error.format_message()} See `tl-hubspot --help`.", markup=False, soft_wrap=True)
        return ExitCode.USAGE
    except (KeyboardInterrupt, click.Abort):
        _err.print("Stopped by hand. What was confirmed is kept; the next run goes on from there.")
        return ExitCode.STOPPED
    except TlHubspotError as error:
        _err.print(error.sentence, markup=False, soft_wrap=True)
        return error.exit_code
    except Exception as error:
        _err.print(_unexpected(error), markup=False, soft_wrap=True)
        return ExitCode.STOPPED
    return ExitCode.DONE


@functools.cache
def _commands() -> click.Command:
    """All commands with their arguments: to make them takes longer than many a command."""
    return typer.main.get_command(app)


class _Ended(Exception):
    def __init__(self, code: int) -> None:
        self.code = code


def _exit(code: int) -> None:
    raise _Ended(int(code))


def _unexpected(error: Exception) -> str:
    """One line; the details go to a file that only its owner can read."""
    folder = Path(os.environ.get("TL_HUBSPOT_DATA") or "data") / "logs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"error-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.txt"
        path.touch(mode=0o600, exist_ok=False)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        return f"Unexpected error ({type(error).__name__}); its details could not be written to {folder}."
    return f"Unexpected error ({type(error).__name__}). The details are in {path}; please report them."


def _settings() -> Any:
    from tl_hubspot.config import settings

    return settings.load()


def _platform(
    command: str,
    *,
    as_of: str | None = None,
    only: str | None = None,
    full: bool = False,
    approved: str | None = None,
    webhook_batch: str | None = None,
    subset: str | None = None,
) -> Any:
    from tl_hubspot.orchestration.run import Platform, RunOptions

    options = RunOptions(
        as_of=as_of,
        full=full,
        only=_only(only),
        command=command,
        approved=approved,
        webhook_batch=webhook_batch,
        subset=_subset(subset),
    )
    return Platform(_settings(), options)


def _run(command: str, **options: Any) -> None:
    from tl_hubspot.reporting.summary import print_summary

    platform = _platform(command, **options)
    finished = _execute(platform)
    with platform.warehouse.held():
        print_summary(finished.run, platform.warehouse.read, _out)
    if finished.exit_code == ExitCode.HELD:
        _out.print(f"To push exactly this plan: tl-hubspot approve {finished.run['digest']}", soft_wrap=True)
    _exit(finished.exit_code)


def _execute(platform: Any) -> Any:
    from tl_hubspot.orchestration.execute import execute

    with _progress() as progress:
        platform.progress = progress
        return execute(platform)


@contextlib.contextmanager
def _progress() -> Iterator[Any]:
    """Callback (what, done, total or None) that draws bars on a terminal and is quiet elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_err, disable=not _err.is_terminal, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def update(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield update


def _only(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = {"contacts": "contact", "companies": "company", "deals": "deal"}
    given = [part.strip().lower() for part in text.split(",")]
    if unknown := [part for part in given if part not in names]:
        raise ConfigurationError(
            f"'{unknown[0]}' is nothing that can be synchronised", where="--only", mend="Write contacts,companies,deals"
        )
    return tuple(names[part] for part in given)


def _subset(text: str | None) -> str | None:
    if text is None:
        return None
    from tl_hubspot.planning.subset import Sizes

    try:
        Sizes.of(text)
    except ValueError as error:
        raise ConfigurationError(f"'{text}' is no subset: {error}", where="--subset") from None
    return text


def _entity(text: str) -> str:
    if text not in ("contact", "company", "deal"):
        raise ConfigurationError(f"'{text}' is no kind of record", mend="Write contact, company or deal")
    return text


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")
    sys.stdout.flush()


def _print_environment(environment: dict[str, str]) -> None:
    for name, value in environment.items():
        sys.stdout.write(f"export {name}={value}\n")
    sys.stdout.flush()
    _err.print("The sandbox runs until you press Ctrl-C. Paste the lines above into another terminal to use it.")
