"""`tl-hubspot auth …`: signing in with a browser, on this machine or on another one.

Lives here: what a person is told, and which browser is opened. The callback is in `transport.sign_in`, exchanging the
code in `transport.tokens`.
"""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from tl_hubspot import decoding
from tl_hubspot.errors import BadAnswer
from tl_hubspot.transport.sign_in import DEFAULT_PORT, Callback

if TYPE_CHECKING:
    from tl_hubspot.config.settings import OAuthClient
    from tl_hubspot.transport.token_store import TokenStore

app = typer.Typer(help="Sign in with a browser: once, and again when the permission was lost.", no_args_is_help=True)
_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)

Port = Annotated[
    int, typer.Option(min=0, max=65535, help="Port of the callback, part of the redirect address (0: any).")
]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Open no browser, only print the address.")]
Timeout = Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="How long to wait for you.")]


@app.command()
def teamleader(port: Port = DEFAULT_PORT, no_browser: NoBrowser = False, timeout: Timeout = 600.0) -> None:
    """Sign in to Teamleader, store the tokens, and say which account was connected."""
    from tl_hubspot.config import settings as configuration
    from tl_hubspot.orchestration.run import Platform
    from tl_hubspot.teamleader.client import ISSUER
    from tl_hubspot.transport.token_store import TokenStore

    settings = configuration.load()
    settings.require_teamleader(token=False)
    where = "Teamleader's Marketplace (Build, your integration)"
    store = TokenStore(settings.token_store, ISSUER)
    _sign_in(store, settings.teamleader, where, port=port, with_browser=not no_browser, timeout=timeout)
    # as the next sync does: a new client, which has nothing but the store
    with Platform(settings).teamleader as client:
        me = _me(client.call("users.me", {}).data)
    name = f"{me.first_name or ''} {me.last_name or ''}".strip() or "a user without a name"
    _out.print(f"Connected to account {me.account.id}, as {name}.", markup=False, soft_wrap=True)


@app.command()
def crmoffice(port: Port = DEFAULT_PORT, no_browser: NoBrowser = False, timeout: Timeout = 600.0) -> None:
    """Sign in to Crmoffice, store the tokens, and say what can be read."""
    from tl_hubspot.config import settings as configuration
    from tl_hubspot.crmoffice.client import ISSUER
    from tl_hubspot.crmoffice.contacts import count
    from tl_hubspot.orchestration.run import Platform
    from tl_hubspot.transport.token_store import TokenStore

    settings = configuration.load()
    settings.require_crmoffice(token=False)
    store = TokenStore(settings.crmoffice_token_store, ISSUER)
    where = "Crmoffice, at this client id"
    _sign_in(store, settings.crmoffice, where, port=port, with_browser=not no_browser, timeout=timeout)
    with Platform(settings).crmoffice as client:
        number = count(client)
    contacts = f"{number:,} contact{'' if number == 1 else 's'}"
    _out.print(f"Connected to {client.api_url}, which has {contacts}.", markup=False, soft_wrap=True)


def _sign_in(
    store: TokenStore, ours: OAuthClient, where: str, *, port: int, with_browser: bool, timeout: float
) -> None:
    """Have a person sign in, and keep the tokens in the store. `where`: the place to register the redirect address."""
    import requests

    from tl_hubspot.transport.tokens import TokenGrant

    system = store.issuer.name
    store.read()  # a store that cannot be used is told before a person is troubled
    with requests.Session() as session, Callback(system, port) as callback:
        grant = TokenGrant(
            ours.auth_url or "",
            ours.client_id or "",
            ours.client_secret or "",
            ours.refresh_token,
            store,
            session=session,
        )
        _invite(callback, where, grant.authorize_url(callback.redirect_uri, callback.state), with_browser=with_browser)
        grant.sign_in(callback.wait(timeout, pasted=_keyboard(), tell=_say), callback.redirect_uri)
    _out.print(f"Signed in to {system}. The tokens are in {store.path.absolute()}.", markup=False, soft_wrap=True)


class _Account(msgspec.Struct):
    id: str


class _Me(msgspec.Struct):
    account: _Account
    first_name: str | None = None
    last_name: str | None = None


def _me(data: msgspec.Raw) -> _Me:
    try:
        return decoding.decode(data, type=_Me)
    except msgspec.MsgspecError:
        raise BadAnswer("Teamleader does not say whose account it is", where="users.me") from None


def _invite(callback: Callback, where: str, address: str, *, with_browser: bool) -> None:
    """Say what to do, and open a browser where a person can see it."""
    _say(f"This redirect address must be registered in {where}, once:\n  {callback.redirect_uri}\n")
    opens = with_browser and _sees_browser()
    if opens:
        # not waited for: some browsers end only with their window
        threading.Thread(target=webbrowser.open, args=(callback.start_link(address),), daemon=True).start()
    _say(f"{'A browser opens. If it does not, o' if opens else 'O'}pen this address, and sign in as an administrator:")
    _say(f"  {address}\n")
    if sys.stdin is not None and sys.stdin.isatty():
        _say(
            "Is the browser on another machine? Then it ends on a page that cannot be reached. Copy the address of that"
            " page, paste it here (it is not shown) and press Enter.\n"
        )


def _sees_browser() -> bool:
    """Whether a browser would have a window: in a terminal alone it would take the terminal."""
    if os.environ.get("BROWSER"):
        return True
    if sys.platform == "darwin":
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _keyboard() -> int | None:
    """File descriptor of standard input, where there is one."""
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _say(text: str) -> None:
    _err.print(text, markup=False, soft_wrap=True)
