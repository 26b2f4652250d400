"""`tl-hubspot webhooks …`: the receiver, registering it at Teamleader, and a run for what it received.

Calls to Teamleader are in `teamleader.webhooks`, receiving and keeping events in `tl_hubspot.webhooks`. The secret is
part of the registered address; it is never printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from tl_hubspot.errors import ConfigurationError

if TYPE_CHECKING:
    from tl_hubspot.teamleader.webhooks import Registration
    from tl_hubspot.webhooks.spool import Spool

app = typer.Typer(help="Receive Teamleader's webhooks, so that changes come within a minute.", no_args_is_help=True)
_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)

DEFAULT_PORT = 8766

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; Teamleader must reach it through HTTPS.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on (0: any free one).")] = DEFAULT_PORT,
) -> None:
    """Receive webhooks until stopped: each is on disk before it is answered."""
    from tl_hubspot.webhooks import receiver

    settings = _settings()
    spool = _spool(settings)
    secret = _secret(settings, spool)

    def announce(address: str) -> None:
        _err.print(f"Webhooks are received at {address}/SECRET and kept in {spool.folder} until a run uses them.")
        _err.print("Register the public address in front of it with `tl-hubspot webhooks register --url https://…`.")

    receiver.serve(spool, secret, host=host, port=port, announce=announce)


@app.command()
def register(
    url: Annotated[str, typer.Option(help="Public HTTPS address in front of the receiver; the secret is added.")],
    as_json: Json = False,
) -> None:
    """Have Teamleader send the events that the sync needs, and no others; repeating it is harmless."""
    from tl_hubspot.teamleader import webhooks

    settings = _settings()
    spool = _spool(settings)
    _show(settings, spool, webhooks.register(_client(settings), url, _secret(settings, spool)), as_json)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """What is registered at Teamleader, and how many events wait for a run."""
    from tl_hubspot.teamleader import webhooks

    settings = _settings()
    _show(settings, _spool(settings), webhooks.registrations(_client(settings)), as_json)


@app.command()
def unregister(
    url: Annotated[
        str | None,
        typer.Option(help="Take back everything at this address, whatever its secret (default: all with our secret)."),
    ] = None,
) -> None:
    """Have Teamleader send no events any more."""
    from tl_hubspot.teamleader import webhooks

    settings = _settings()
    secret = _known_secret(settings, _spool(settings))
    gone = webhooks.unregister(_client(settings), secret=secret, base=url)
    for registration in gone:
        _out.print(f"Not registered any more: {registration.shown}", markup=False, soft_wrap=True)
    if not gone:
        _out.print("Nothing of this kind was registered.")


@app.command()
def sync() -> None:
    """Synchronise the records that the received events name; with no events nothing happens."""
    from tl_hubspot import cli

    batch = _spool(_settings()).drain()
    if batch is None:
        _out.print("No webhooks came.")
    else:
        cli._run("sync", webhook_batch=batch)


def _settings() -> Any:
    from tl_hubspot.config import settings

    return settings.load()


def _spool(settings: Any) -> Spool:
    from tl_hubspot.webhooks.spool import Spool

    return Spool(settings.webhooks_folder)


def _client(settings: Any) -> Any:
    from tl_hubspot.orchestration import run

    return run.Platform(settings).teamleader


def _secret(settings: Any, spool: Spool) -> str:
    """The secret of the setting, else the one kept with the events, which is made the first time."""
    if settings.webhooks.secret is not None:
        return str(settings.webhooks.secret.get_secret_value())
    try:
        return spool.secret()
    except OSError as error:
        raise ConfigurationError(
            f"The secret of the webhooks cannot be kept: {error.strerror}",
            where=str(spool.folder),
            mend="Set TL_HUBSPOT_DATA to a folder that you may write to",
        ) from None


def _known_secret(settings: Any, spool: Spool) -> str | None:
    """The secret, None when there is none yet: to look must not make one."""
    kept = (spool.folder / "secret").exists()
    return _secret(settings, spool) if kept or settings.webhooks.secret is not None else None


def _show(settings: Any, spool: Spool, registered: list[Registration], as_json: bool) -> None:
    from tl_hubspot import cli
    from tl_hubspot.teamleader.webhooks import TYPES

    secret = _known_secret(settings, spool)
    rows: list[dict[str, Any]] = [
        {
            "url": r.shown,
            "ours": secret is not None and r.has(secret),
            "types": sorted(r.types),
            "missing": sorted(set(TYPES) - r.types),
        }
        for r in registered
    ]
    if as_json:
        cli._print_json({"webhooks": rows, "events_waiting": spool.waiting()})
        return
    for row in rows:
        whose = "" if row["ours"] else " (not with our secret)"
        _out.print(f"{row['url']}{whose}", markup=False, soft_wrap=True)
        _out.print(f"  sent: {', '.join(row['types'])}", markup=False)
        if row["ours"] and row["missing"]:
            _out.print(f"  not sent, register again: {', '.join(row['missing'])}", markup=False)
    if not rows:
        _out.print("Nothing is registered at Teamleader.")
    _out.print(f"Events that wait for a run: {spool.waiting()}")
