"""Wrong usage and wrong configuration: one line that says what, where and how to mend it; exit code 2; nothing made."""

from __future__ import annotations

from pathlib import Path

import pytest

import tl_hubspot
from tl_hubspot_tests.cli.terminal import Terminal

CREDENTIALS = {
    "TEAMLEADER_CLIENT_ID": "id",
    "TEAMLEADER_CLIENT_SECRET": "very-secret-1",
    "TEAMLEADER_REFRESH_TOKEN": "very-secret-2",
    "HUBSPOT_ACCESS_TOKEN": "very-secret-3",
    # should anything be called after all, then not the real systems
    "TEAMLEADER_API_URL": "http://127.0.0.1:9",
    "TEAMLEADER_AUTH_URL": "http://127.0.0.1:9",
    "HUBSPOT_API_URL": "http://127.0.0.1:9",
}


def refused(terminal: Terminal, *arguments: str, **environment: str) -> str:
    """The line of a command that ends with 2, after nothing was made in the folder."""
    before = sorted(terminal.folder.rglob("*"))
    ended = terminal(*arguments, **environment)
    assert ended.code == 2, ended
    assert ended.out == ""
    assert "very-secret" not in ended.err
    assert sorted(terminal.folder.rglob("*")) == before, "something was made"
    return ended.line


@pytest.mark.parametrize(
    ("missing", "system"),
    [
        ("TEAMLEADER_CLIENT_ID", "Teamleader"),
        ("TEAMLEADER_CLIENT_SECRET", "Teamleader"),
        ("TEAMLEADER_REFRESH_TOKEN", "Teamleader"),
        ("HUBSPOT_ACCESS_TOKEN", "HubSpot"),
    ],
)
@pytest.mark.parametrize("name", ["sync", "plan"])
def test_missing_credentials(terminal: Terminal, name: str, missing: str, system: str) -> None:
    line = refused(terminal, name, **{k: v for k, v in CREDENTIALS.items() if k != missing})
    assert line.startswith(f"{system} cannot be reached without {missing}.")
    assert "tl-hubspot doctor" in line


def test_an_empty_variable_counts_as_missing(terminal: Terminal) -> None:
    assert "HUBSPOT_ACCESS_TOKEN" in refused(terminal, "sync", **(CREDENTIALS | {"HUBSPOT_ACCESS_TOKEN": ""}))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TL_HUBSPOT_TIMEZONE", "Mars/Olympus", "timezone cannot be used: it is no time zone"),
        ("TL_HUBSPOT_TEAMLEADER__PHASE_HISTORY_TIMEZONE", "CET/x", "it is no time zone"),
        ("TEAMLEADER_RATE_LIMIT", "0", "greater than or equal to 1"),
        ("TEAMLEADER_RATE_LIMIT", "many", "valid integer"),
        ("HUBSPOT_API_URL", "api.hubapi.com", "must be an address like https://"),
        ("HUBSPOT_API_URL", "http://[::1", "must be an address like https://"),
        ("TEAMLEADER_AUTH_URL", "ftp://focus.teamleader.eu", "must be an address like https://"),
        ("TL_HUBSPOT_GUARDS__CREATES_SHARE", "1.5", "less than or equal to 1"),
        ("TL_HUBSPOT_CONSENT__FALSE_MEANS", "perhaps", "'opt_out' or 'not_asked'"),
        ("TL_HUBSPOT_DEALS", "never", "set one of closed"),
        ("TL_HUBSPOT_RELATIONS__REMOVE_STALE", "maybe", "valid boolean"),
        ("TL_HUBSPOT_AS_OF", "yesterday", "'yesterday' is not a date"),
        ("TL_HUBSPOT_AS_OF", "2026-02-31", "'2026-02-31' is not a date"),
        ("TL_HUBSPOT_AS_OF", "0001-01-01", "0001"),
        ("TL_HUBSPOT_AUTOMATION__INTERVAL_MINUTES", "7", "must divide an hour"),
        ("TL_HUBSPOT_CONFG", "tl.yaml", "Unknown configuration key 'confg'"),
        ("TL_HUBSPOT_CONSENT__FALS_MEANS", "opt_out", "Did you mean false_means?"),
        ("TL_HUBSPOT_MAPPING", "nowhere.yaml", "mapping file cannot be read: No such file or directory"),
        ("TL_HUBSPOT_CONFIG", "nowhere.yaml", "The configuration file does not exist"),
    ],
)
def test_wrong_value_in_the_environment(terminal: Terminal, name: str, value: str, says: str) -> None:
    line = refused(terminal, "sync", **(CREDENTIALS | {name: value}))
    assert says in line
    assert name in line or value in line, "it does not say where"


def test_a_group_that_is_set_to_a_value_does_not_hide_its_members(terminal: Terminal) -> None:
    environment = {"TL_HUBSPOT_DEALS": "never", "TL_HUBSPOT_DEALS__CLOSED": "sometimes"}
    assert "deals.closed cannot be used" in refused(terminal, "sync", **CREDENTIALS, **environment)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"HUBSPOT_ACESS_TOKEN=x\n", "line 1). Did you mean HUBSPOT_ACCESS_TOKEN?"),
        (b"# ours\n\nTL_HUBSPOT_COLOUR=red\n", "Unknown configuration key 'colour'"),
        (b"TEAMLEADER_CLIENT_ID=id\nthis is no variable\n", "The .env file is not valid"),
        (b"HUBSPOT_ACCESS_TOKEN=\xff\xfe\x00\n", "it is not UTF-8 text"),
    ],
)
def test_dotenv(terminal: Terminal, content: bytes, says: str) -> None:
    (terminal.folder / ".env").write_bytes(content)
    line = refused(terminal, "sync", **CREDENTIALS)
    assert says in line
    assert str(terminal.folder / ".env") in line


def test_dotenv_that_is_a_folder(terminal: Terminal) -> None:
    (terminal.folder / ".env").mkdir()
    assert "The .env file cannot be read: Is a directory" in refused(terminal, "sync", **CREDENTIALS)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("tl.yaml", b"timezone: [Europe\n", "The configuration file is not valid"),
        ("tl.yaml", b"timezone: \x00\n", "The configuration file is not valid"),
        ("tl.yaml", b"\xff\xfe", "it is not UTF-8 text"),
        ("tl.yaml", b"- timezone\n- data\n", "must hold names with values"),
        ("tl.yaml", b"just words\n", "must hold names with values"),
        ("tl.yaml", b"timezon: Europe/Brussels\n", "Did you mean timezone?"),
        ("tl.yaml", b"HUBSPOT_TOKEN: very-secret-4\n", "Unknown configuration key 'HUBSPOT_TOKEN'"),
        ("tl.yaml", b"crmoffice: {client_secret: [very-secret-4]}\n", "crmoffice.client_secret cannot be used"),
        ("tl.yaml", b"guards: {creates_minimum: -1}\n", "guards.creates_minimum in "),
        ("tl.yaml", b"marketing: import\n", "set one of method, tier"),
        ("tl.toml", b"[consent]\nfalse_means = opt_out\n", "at line 2"),
        ("tl.toml", b"[consent]\nfalse_means = 'x'\n", "consent.false_means in "),
    ],
)
def test_configuration_file(terminal: Terminal, name: str, content: bytes, says: str) -> None:
    (terminal.folder / name).write_bytes(content)
    line = refused(terminal, "sync", **CREDENTIALS, TL_HUBSPOT_CONFIG=name)
    assert says in line
    assert name in line


def test_configuration_file_that_is_a_folder(terminal: Terminal) -> None:
    (terminal.folder / "tl.yaml").mkdir()
    assert "Is a directory" in refused(terminal, "sync", **CREDENTIALS, TL_HUBSPOT_CONFIG="tl.yaml")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("property: lastname", "property: hs_latest_source", "is protected and never written"),
        ("property: lastname", "property: hs_object_id", "cannot be mapped"),
        ("property: lastname", "property: Last Name", "no internal name"),
        ("source: last_name", "source: surname", "Unknown source 'surname'"),
        ("property: lastname", "property: lastname, transform: shout", "Unknown transform 'shout'"),
        ("property: lastname", "property: lastname, policy: never", "Unknown policy 'never'"),
        ("property: lastname", "property: lastname, colour: red", "Unknown key 'colour'"),
        ("contacts:", "contacts: [", "not good YAML"),
    ],
)
def test_mapping_file(terminal: Terminal, old: str, new: str, says: str) -> None:
    default = (Path(tl_hubspot.__file__).parent / "config" / "mapping.yaml").read_text()
    assert old in default
    (terminal.folder / "mapping.yaml").write_text(default.replace(old, new, 1))
    line = refused(terminal, "plan", **CREDENTIALS, TL_HUBSPOT_MAPPING="mapping.yaml")
    assert says in line
    assert "mapping.yaml, line " in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("sync", "--as-of", "tomorrow"),
        ("sync", "--as-of", "2026-13-01"),
        ("plan", "--as-of", "31-12-2025"),
        ("plan", "--as-of", "2026-11-02T25:00"),
        ("sync", "--as-of", "9999-12-31"),
    ],
)
def test_as_of_that_is_no_date(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    line = refused(terminal, *arguments, **CREDENTIALS)
    assert "--as-of" in line
    assert arguments[2] in line


@pytest.mark.parametrize("given", ["people", "contacts,peple", "", ",", "contacts,,deals", "contact"])
def test_only_with_unknown_names(terminal: Terminal, given: str) -> None:
    line = refused(terminal, "sync", "--only", given, **CREDENTIALS)
    assert "is nothing that can be synchronised (--only). Write contacts,companies,deals." in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("synchronise",), "No such command 'synchronise'"),
        (("sync", "--everything"), "No such option"),
        (("sync", "now"), "unexpected extra argument"),
        (("sync", "--as-of"), "requires an argument"),
        (("approve",), "Missing argument"),
        (("explain", "contact"), "Missing argument"),
        (("sandbox", "--hubspot-port", "http"), "is not a valid int"),
        (("explain", "person", "1"), "'person' is no kind of record"),
        (("release", "people", "1"), "'people' is no kind of record"),
        (("demo", "--world", "mars"), "There is no sample world 'mars'"),
        (("sandbox", "--world", "mars"), "mars"),
        (("explain", "contact", "1"), "Nothing was read yet"),
        (("release", "contact", "1"), "Nothing was read yet"),
        (("approve", "abc"), "No plan has the digest abc"),
    ],
)
def test_wrong_usage(terminal: Terminal, arguments: tuple[str, ...], says: str) -> None:
    assert says in refused(terminal, *arguments, **CREDENTIALS)


def test_no_command_shows_the_help(terminal: Terminal) -> None:
    ended = terminal()
    assert ended.code == 2
    assert "sync" in ended.out + ended.err


@pytest.mark.parametrize("data", ["file/data", "file", "/proc/data", "/sys"])
def test_data_folder_that_cannot_be_used(terminal: Terminal, data: str) -> None:
    (terminal.folder / "file").write_text("not a folder")
    line = refused(terminal, "sync", **CREDENTIALS, TL_HUBSPOT_DATA=data)
    assert "The data folder cannot be used: " in line
    assert "Set TL_HUBSPOT_DATA to a folder that you may write to." in line
