"""The digest by e-mail, through a real mail server: encrypted and signed in, and everything that goes wrong."""

from __future__ import annotations

import email
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tl_hubspot import mail
from tl_hubspot.config import settings as configuration
from tl_hubspot.config.settings import Settings
from tl_hubspot.definitions import build_definitions
from tl_hubspot.errors import CredentialsRefused, TlHubspotError
from tl_hubspot.orchestration import automation
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import digesting
from tl_hubspot.reporting.report import charts, state
from tl_hubspot_tests.cli.terminal import Terminal, environment_of
from tl_hubspot_tests.e2e.builders import START, Story, story
from tl_hubspot_tests.e2e.conftest import Make

PASSWORD = "very-secret"


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cert.pem for localhost, signed by itself, and key.pem."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine, which makes the certificate of the mail server")
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    more = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*command.split(), *more], cwd=folder, check=True, capture_output=True)
    return folder


@dataclass
class Post:
    """A mail server: what it received, encrypted or not, and the environment that leads to it."""

    environment: dict[str, str] = field(default_factory=dict)
    received: list[tuple[bool, EmailMessage]] = field(default_factory=list)
    refuses: str = ""

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, _: Any) -> str:
        if self.refuses and address.startswith(self.refuses):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.received.append((server.transport.get_extra_info("sslcontext") is not None, message))
        return "250 OK"


@pytest.fixture(params=["starttls"])
def post(request: pytest.FixtureRequest, certificate: Path) -> Iterator[Post]:
    """A mail server that takes messages only over TLS and from whoever signs in."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        known = isinstance(data, LoginPassword) and (data.login, data.password) == (b"robot", PASSWORD.encode())
        return AuthResult(success=known, handled=False)

    made = Post()
    encrypted: dict[str, Any] = {"tls_context": context, "require_starttls": True}
    if request.param == "tls":
        encrypted = {"ssl_context": context, "auth_require_tls": False}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(made, hostname="localhost", port=port, authenticator=check, auth_required=True, **encrypted)
    server.start()
    values = {"HOST": "localhost", "PORT": str(port), "SECURITY": request.param, "USER": "robot", "PASSWORD": PASSWORD}
    values |= {"FROM": "sync@voorbeeld.be", "TO": "a@voorbeeld.be, b@voorbeeld.be"}
    values |= {"CA_FILE": str(certificate / "cert.pem"), "TIMEOUT_SECONDS": "5"}
    made.environment = {f"TL_HUBSPOT_MAIL__{name}": value for name, value in values.items()}
    yield made
    server.stop()


def settings_of(post: Post, folder: Path, **changes: str) -> Settings:
    values = post.environment | {f"TL_HUBSPOT_MAIL__{name}": value for name, value in changes.items()}
    return configuration.load(values | {"TL_HUBSPOT_DATA": str(folder)}, directory=folder)


# --- the way out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("post", ["starttls", "tls"], indirect=True)
def test_sent_encrypted_as_text_and_html(post: Post, tmp_path: Path) -> None:
    mail.send(settings_of(post, tmp_path), "Één · onderwerp", "tekst één\n", "<p>tekst één</p>")
    ((is_encrypted, message),) = post.received
    assert is_encrypted and message["Subject"] == "Één · onderwerp" and message["Auto-Submitted"] == "auto-generated"
    assert message["To"] == "a@voorbeeld.be, b@voorbeeld.be"
    parts = {part.get_content_type(): part.get_content().strip() for part in message.iter_parts()}  # type: ignore[attr-defined]
    assert parts == {"text/plain": "tekst één", "text/html": "<p>tekst één</p>"}


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"PASSWORD": "very-secret-too"}, 4, "refused the user name or the password"),
        ({"CA_FILE": ""}, 4, "No encrypted connection to the mail server: self-signed certificate"),
        ({"SECURITY": "tls"}, 4, "No encrypted connection"),
        ({"SECURITY": "none", "PASSWORD": ""}, 4, "does not offer"),
        ({"PORT": "1"}, 4, "does not answer: Connection refused"),
        ({"HOST": ""}, 2, "without TL_HUBSPOT_MAIL__HOST"),
        ({"CA_FILE": "nowhere.pem"}, 2, "certificate file cannot be used: No such file"),
    ],
)
def test_what_goes_wrong_is_said(post: Post, tmp_path: Path, changes: dict[str, str], code: int, says: str) -> None:
    with pytest.raises(TlHubspotError) as raised:
        mail.send(settings_of(post, tmp_path, **changes), "s", "t", "h")
    assert (raised.value.exit_code, says in raised.value.sentence) == (code, True), raised.value.sentence
    assert "secret" not in raised.value.sentence and post.received == []


def test_nobody_is_left_out_in_silence(post: Post, tmp_path: Path) -> None:
    post.refuses = "b@"
    with pytest.raises(TlHubspotError, match="did not take the message for 1 of the addresses"):
        mail.send(settings_of(post, tmp_path), "s", "t", "h")
    post.refuses = "a@"
    with pytest.raises(TlHubspotError, match="for 2 of the addresses"):
        mail.send(settings_of(post, tmp_path, TO="a@voorbeeld.be,aa@voorbeeld.be,a@x.be"), "s", "t", "h")


# --- what it says, and when ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(make: Make) -> Story:
    """After a run over two systems without records."""
    world = story(make)
    assert world.sync().exit_code == 0
    return world


def test_only_when_there_is_something_to_say_or_when_asked(world: Story, post: Post, terminal: Terminal) -> None:
    environment = environment_of(world.product.systems) | post.environment | {"COLUMNS": "200"}
    environment |= {"TL_HUBSPOT_DATA": str(world.product.data), "TL_HUBSPOT_AS_OF": START.isoformat()}
    quiet = terminal("digest", "--send", "--if-news", **environment)
    assert (quiet.code, quiet.out) == (0, "Nothing to say, so nothing was sent.\n"), quiet
    assert "Sent to 2 addresses" in terminal("digest", "--send", **environment).out
    assert "nothing to do" in post.received.pop()[1]["Subject"]

    world.contact("c3@voorbeeld.be", changed=world.now)
    world.fail("poison", "contacts/batch/upsert", record="c3@", times=None)
    assert world.sync().exit_code == 1
    shown = terminal("digest", **environment)
    assert "1 record needs a person" in shown.out and "What to do: Correct the value in Teamleader" in shown.out
    assert "voorbeeld" not in shown.out and post.received == []
    told = json.loads(terminal("digest", "--send", "--if-news", "--period", "weekly", "--json", **environment).out)
    assert told["sent"] and told["has_news"] and told["subject"].endswith("This week: 1 record needs a person")
    message = post.received.pop()[1]
    html = message.get_body(("html",))
    assert html is not None and "https://focus.teamleader.eu/contact_detail.php?id=" in html.get_content()
    assert json.loads(terminal("digest", "--run", "latest", "--json", **environment).out)["sent"] is False
    assert terminal("digest", "--send", **environment | {"TL_HUBSPOT_MAIL__PORT": "1"}).code == 4


def test_dagster_sends_it_after_a_failed_run_and_by_the_clock(world: Story, post: Post, tmp_path: Path) -> None:
    world.product.environment.update(post.environment)
    world.portal.faults.clear()
    world.fail("status", "owners", status=401, times=None)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        platform = _platform(world)
        failed = _job(platform, "sync", instance)
        assert not failed.success
        platform.close()
        sensor = automation.alerts(platform.settings)
        event = next(e for e in failed.all_events if e.event_type_value == "PIPELINE_FAILURE")
        context = dg.build_run_status_sensor_context(sensor.name, event, instance, failed.dagster_run)
        sensor(context.for_run_failure())
        message = post.received.pop()[1]
        assert "the run stopped" in message["Subject"] and message["Subject"].startswith("tl-hubspot · Sync")
        text = message.get_body(("plain",))
        assert text is not None and "Why it stopped: HubSpot refused the access token" in text.get_content()

        platform = _platform(world)
        assert _job(platform, "digest", instance).success
        assert post.received.pop()[1]["Subject"].startswith("tl-hubspot · Today: ")


def _platform(world: Story) -> Platform:
    platform = world.product.platform(as_of=world.now.isoformat())
    platform.sleep = lambda seconds: None
    return platform


def _job(platform: Platform, name: str, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = build_definitions(platform).resolve_job_def(name)
    loggers = {"console": {"config": {"log_level": "CRITICAL"}}}
    return job.execute_in_process(instance=instance, raise_on_error=False, run_config={"loggers": loggers})


def test_an_error_that_is_not_ours_is_not_repeated() -> None:
    @dataclass
    class Error:
        cls_name: str
        message: str
        cause: Any = None

    ours = Error("CredentialsRefused", f"tl_hubspot.errors.CredentialsRefused: {CredentialsRefused('No').sentence}\n")
    assert digesting.sentence_of([Error("ValueError", "ValueError: jan@voorbeeld.be")]).startswith("An error that")
    assert digesting.sentence_of([Error("DagsterExecutionStepExecutionError", "…", ours)]) == "No."


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"lost_status": "deactivated"}, "is active, the other one is deactivated"),
        ({"entity_type": "company", "won_has_vat": True, "joined_by": "name"}, "the same name; the survivor has a VAT"),
        ({"lost_moved_at": None}, "was changed last (3 May 2026, the other one has no date)"),
        ({"lost_moved_at": datetime(2026, 5, 3, 9, tzinfo=UTC)}, "changed last (3 May 2026, 12:00 and 09:00 UTC)"),
        (
            {"lost_added_at": datetime(2026, 1, 2, tzinfo=UTC)},
            "was added first (1 January 2026, the other one 2",
        ),
        ({}, "has the smaller id"),
    ],
)
def test_why_a_survivor_goes_first(changes: dict[str, Any], says: str) -> None:
    moved, added = datetime(2026, 5, 3, 12, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    row: dict[str, Any] = {"entity_type": "contact", "joined_by": "address"}
    for side in ("won", "lost"):
        row |= {f"{side}_status": "active", f"{side}_has_vat": None}
        row |= {f"{side}_moved_at": moved, f"{side}_added_at": added}
    assert says.lower() in state.why(row | changes).lower()


def test_contacts_per_state() -> None:
    counts = {"created/changed_within_2_years": 2, "unchanged/opted_out": 3, "skipped/too_old": 4, "held/guard": 5}
    assert charts.contact_states(counts | {"failed/conflict": 1}) == {
        "marketing": 2,
        "non-marketing": 3,
        "not in HubSpot": 4,
        "held": 5,
        "failed": 1,
    }
