"""Settings are checked with file, line and advice; the outbox is looked at and steered; a stop leaves nothing."""

from __future__ import annotations

import base64
import errno
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from adapter.cli.app import command_line
from adapter.cli.configuration import CALLING
from adapter.client import AdapterClient
from adapter.i18n import LANGUAGES, text
from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings
from adapter.mock.token_client import make_key
from adapter.security.certificates import Authority
from adapter.serve import adapter_app, in_background, load_settings
from adapter.source.json import read_json
from adapter.store import Database
from tests.api.conftest import adapter_url, record, repository
from tests.cli.test_demo import free_port

__all__ = ["adapter_url", "repository"]


def run(*arguments: str, columns: int = 200) -> tuple[int, str]:
    """Exit code and everything that was said on so wide a screen."""
    log = structlog.get_config()
    result = CliRunner().invoke(command_line(arguments), arguments, env={"COLUMNS": str(columns)})
    structlog.configure(**log)  # a command that serves wrote its lines where nobody can write any more
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def steered(said: str) -> tuple[list[str], list[str]]:
    """Ids of what was done and lines about what was not; an adapter in the same process logs between them."""
    lines = [line for line in said.splitlines() if re.match("[0-9a-f]{32}", line)]
    return [line for line in lines if ":" not in line], [line for line in lines if ":" in line]


def new_key() -> str:
    """32 random bytes, base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of whoever runs the tests says nothing."""
    for name in [name for name in os.environ if name.startswith("KYKYSILTA_") and "TEST" not in name]:
        monkeypatch.delenv(name)


WRONG = {
    'port = "many"': (":1: port: ", "anna kokonaisluku"),
    "\n# note\nprot = 8080": (":3: prot: ", "port"),
    "[signing]\nkey_file = 'nowhere.pem'\norganisation = '1.2.246.10.1'": (":2: signing.key_file: ", "luo tiedosto"),
    "[signing]\norganisation = '1.2'": (":1: signing.key_file: ", "pakollinen"),
    "[clients.ehr]\ncustodians = ['1.2.246.10.1', 'x']": (":2: clients.ehr.custodians.1: ", "oikeaa muotoa"),
    "[clients.ehr]\ncustodians = ['1.2.3']\njwks = 'x'": (":3: clients.ehr.jwks: ", "jwks_url"),
    "demo = true\n[clients.ehr]\ncustodians = ['1.2.3']": (":2: clients.ehr: ", "jwks_url"),
    "id_key = 'secret-in-clear'": (":1: id_key: ", "avain ei ole base64-muodossa"),
    "id_key = '" + "A" * 43 + "='": (":1: id_key: ", "liian säännöllinen"),
    "[storage_keys]\n2026 = 'AAAA'": (":1: storage_keys: ", "oltava 32 tavua"),
    "port = = 1": (":1:8: rivi ei ole TOML-muotoa", "(Invalid value)"),
    "demo = true\nnote = 'hyvää'": (":2: ", "UTF-8"),
    "repository_url = 'file:///etc/passwd'": (":1: repository_url: ", "oikeaa muotoa"),
    "database = 'postgres://db.example/k'": (":1: database: ", "oikeaa muotoa"),
    "[clients.ehr]\njwks_url = 'http://a.example/'\ncustodians = ['1.2']": (":2: clients.ehr.jwks_url: ", "muotoa"),
    "language = 'se'": (":1: language: ", "sallitut: fi, sv, en"),
    "demo = 'maybe'": (":1: demo: ", "true tai false"),
    "host = 1\nstorage_keys = 2\noperator_networks = 3\nsigning = 4": (
        ":1: host: anna teksti",
        ":2: storage_keys: anna taulukko",
        ":3: operator_networks: anna luettelo",
        ":4: signing: anna taulukko",
    ),
    "[openid]\nissuer = ''\nclient_id = 'x'": (":2: openid.issuer: arvo on tyhjä",),
    "burst = 0\nworkers = 65": (":1: burst: ", "vähintään 1", ":2: workers: ", "enintään 64"),
    "requests_per_second = 0": (":1: requests_per_second: ", "suurempi kuin 0"),
    "[clients.ehr]\njwks_url = 'https://a.example/'\ncustodians = []": (":3: clients.ehr.custodians: ", "tyhjä"),
    "operator_networks = ['10.0.0.0/99']": (":1: operator_networks.0: anna verkko",),
}


@pytest.mark.parametrize("content", WRONG, ids=lambda content: content[:24])
def test_a_wrong_setting_is_named_with_its_line(tmp_path: Path, content: str) -> None:
    """Exit 1; file, line, setting, what is wrong; the value is not repeated."""
    file = tmp_path / "kykysilta.toml"
    file.write_text(content, encoding="latin-1")
    code, said = run("config", "check", "--config", str(file))
    assert code == 1
    for part in WRONG[content]:
        assert part in said
    assert "secret-in-clear" not in said


@pytest.mark.parametrize(
    ("days", "exit_code", "key"), [(-1, 1, "signing.key-ended"), (9, 0, "cli.config-ending"), (60, 0, "")]
)
def test_certificates_that_ended_are_wrong_and_those_that_soon_end_are_told(
    tmp_path: Path, days: int, exit_code: int, key: str
) -> None:
    """Of the signing certificate and of TLS, each by its setting, in every language."""
    now = datetime.now(UTC)
    issued = Authority.create("CA", now).issue("Adapter", "server", now, days=days)
    (tmp_path / "k.pem").write_bytes(issued.private_key_pem)
    (tmp_path / "c.pem").write_bytes(issued.certificate_pem)
    files = f"key_file = '{tmp_path / 'k.pem'}'\ncertificate_file = '{tmp_path / 'c.pem'}'\n"
    file = tmp_path / "kykysilta.toml"
    signing = f"[signing]\norganisation = '1.2.246.10.1'\n{files}"
    file.write_text(f"demo = true\n{signing}[tls]\n{files}[client_certificate]\n{files}")
    for language in LANGUAGES:
        code, said = run("config", "check", "--config", str(file), "--lang", language)
        assert code == exit_code
        about = [line for line in said.splitlines() if "certificate_file: " in line]
        assert len(about) == (3 if key else 0)
        for group in ("signing", "tls", "client_certificate") if key else ():
            setting = f"{group}.certificate_file"
            told = text(key, language, setting=setting, days=str(days - 1))
            assert sum(f"{setting}: {told.removeprefix(setting + ': ')}" in line for line in about) == 1


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of the environment is told by the variable's name."""
    monkeypatch.setenv("KYKYSILTA_WORKERS", "65")
    code, said = run("config", "check")
    assert code == 1
    assert "KYKYSILTA_WORKERS: workers: " in said


def test_a_table_in_a_variable_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """One key where a table of keys belongs is told with the form, and not repeated."""
    key = new_key()
    monkeypatch.setenv("KYKYSILTA_STORAGE_KEYS", key)
    code, said = run("config", "check", "--lang", "en")
    assert code == 1
    assert "KYKYSILTA_STORAGE_KEYS: storage_keys: the value is not JSON; in a variable lists and tables" in said
    assert '{"2026": "…"}' in said
    assert key not in said


def test_a_variable_that_nobody_reads_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slip of the pen in a variable's name would change nothing, without a word: it is told with the name meant."""
    monkeypatch.setenv("KYKYSILTA_DEMO", "true")
    monkeypatch.setenv("KYKYSILTA_REPOSITORY", "http://127.0.0.1:1/fhir")
    monkeypatch.setenv("KYKYSILTA_XYZZY", "1")
    for variable in CALLING:
        monkeypatch.setenv(f"KYKYSILTA_{variable.upper()}", "x")
    monkeypatch.delenv("KYKYSILTA_TEST_POSTGRESQL", raising=False)
    code, said = run("config", "check")
    assert code == 0
    assert "KYKYSILTA_REPOSITORY: tällaista asetusta ei ole; tarkoititko: repository_url" in said
    assert "KYKYSILTA_XYZZY: tällaista asetusta ei ole; poista se" in said
    assert [line.split(":")[0] for line in said.splitlines() if ": tällaista" in line] == [
        "! KYKYSILTA_REPOSITORY",
        "! KYKYSILTA_XYZZY",
    ]


def test_keys_that_are_missing_or_the_same_are_said(tmp_path: Path) -> None:
    """Outside a demo the adapter does not start without keys, with published ones, or with one key for two uses."""
    file, key = tmp_path / "kykysilta.toml", new_key()
    demo_key = base64.b64encode(b"kykysilta-demo-id-key-published!").decode()
    for content, told in (
        ("", "openssl rand -base64 32"),
        (f"id_key = '{key}'", 'KYKYSILTA_STORAGE_KEYS is not set; it is a JSON object, {"a": "<key>"}'),
        (f"id_key = '{key}'\n[storage_keys]\na = '{key}'", "same"),
        (f"id_key = '{demo_key}'\n[storage_keys]\na = '{key}'", "published"),
    ):
        file.write_text(content)
        code, said = run("config", "check", "--config", str(file), "--lang", "en")
        assert code == 1
        assert told in said
        assert "nobody may call" in said
        assert key not in said


def test_all_problems_of_keys_and_clients_are_told_in_each_language(tmp_path: Path) -> None:
    """Two keys and two clients that are missing are four lines, each client with its line of the file."""
    file = tmp_path / "kykysilta.toml"
    file.write_text("port = 0\n[clients.a]\ncustodians = ['1.2.3']\n[clients.b]\ncustodians = ['1.2.3']\n")
    wanted = {
        language: [
            text("cli.key-no-id", language),
            text("cli.key-no-storage", language),
            f"{file}:2: {text('cli.key-client-without', language, client='a')}",
            f"{file}:4: {text('cli.key-client-without', language, client='b')}",
            text("cli.config-help", language),
        ]
        for language in LANGUAGES
    }
    for language, lines in wanted.items():
        assert run("config", "check", "--config", str(file), "--lang", language) == (1, "\n".join([*lines, ""]))
    started = [str(Path(sys.executable).parent / "kykysilta"), "serve", "--config", str(file), "--lang", "sv"]
    ended = subprocess.run(started, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr.splitlines()[0]) == (2, wanted["sv"][0])


def test_a_command_that_needs_a_key_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking a client up needs the id key: without it the command ends with the variable and how to make one."""
    monkeypatch.setenv("KYKYSILTA_DATABASE", f"sqlite:///{tmp_path / 'k.sqlite'}")
    Database(f"sqlite:///{tmp_path / 'k.sqlite'}").close()
    code, said = run("log-copy", "--since", "2026-01-01", "--lang", "en")
    assert code == 2
    assert "KYKYSILTA_ID_KEY is not set; make one with: openssl rand -base64 32" in said


COMMANDS = (
    ("verify-log",),
    ("log-copy",),
    ("audit", "breach", "--since", "2026-01-01"),
    ("audit", "export"),
    ("audit", "erase"),
    ("audit", "processing"),
    ("audit", "facts"),
    ("audit", "checkpoint"),
    ("audit", "change-key", "new.pem"),
    ("audit", "check-export", "file.zip"),
    ("storage", "backup", "copy.sqlite"),
    ("storage", "re-encrypt"),
    ("accounts", "list"),
    ("accounts", "lock", "aino"),
    ("outbox", "work"),
    ("serve",),
    ("config", "check"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_tells_broken_settings_in_the_language_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """Whatever the command, a wrong setting is told by the same words: as the option says, or the variable."""
    file = tmp_path / "kykysilta.toml"
    file.write_text("port = 'many'\n")
    given = (*command, "--config", str(file))
    for language in LANGUAGES:
        told = f"{file}:1: port: {text('cli.config-whole-number', language)}\n{text('cli.config-help', language)}\n"
        assert run(*given, "--lang", language) == (1, told)
    monkeypatch.setenv("KYKYSILTA_LANGUAGE", "sv")
    assert text("cli.config-whole-number", "sv") in run(*given)[1]


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("audit", "breach", "--since", "2026-01-01", "--identities"), "cli.key-no-id"),
        (("storage", "re-encrypt"), "cli.key-no-storage"),
        (("audit", "checkpoint"), "signing.key-no-ed25519"),
        (("verify-log",), "signing.key-no-ed25519"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else each,
)
def test_every_command_tells_keys_in_the_language_of_the_settings(
    tmp_path: Path, command: tuple[str, ...], key: str
) -> None:
    """A missing key and one of a wrong kind; the setting that names it stands before."""
    file, database = tmp_path / "kykysilta.toml", tmp_path / "k.sqlite"
    Database(f"sqlite:///{database}").close()
    (tmp_path / "rsa.pem").write_bytes(make_key()[0])
    for language in LANGUAGES:
        file.write_text(
            f"language = '{language}'\ndatabase = 'sqlite:///{database}'\naudit_key_file = '{tmp_path / 'rsa.pem'}'\n"
        )
        code, said = run(*command, "--config", str(file))
        assert code == 2
        assert text(key, language) in said
        assert ("audit_key_file: " in said) == key.startswith("signing.")


def test_a_taken_port_is_told_in_the_language_asked_for(tmp_path: Path) -> None:
    """By the setting that names another one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        file = tmp_path / "kykysilta.toml"
        file.write_text(f"demo = true\nport = {port}\n")
        for language in LANGUAGES:
            told = text("delivery.port-taken", language, port=port, option="KYKYSILTA_PORT")
            assert run("serve", "--config", str(file), "--lang", language) == (2, told + "\n")


def test_an_address_of_another_machine_is_not_called_a_taken_port(tmp_path: Path) -> None:
    """192.0.2.1 belongs to nobody (RFC 5737)."""
    file = tmp_path / "kykysilta.toml"
    file.write_text("demo = true\nhost = '192.0.2.1'\nport = 8080\n")
    reason = os.strerror(errno.EADDRNOTAVAIL)
    for language in LANGUAGES:
        told = text("cli.no-address", language, address="192.0.2.1:8080", reason=reason)
        assert run("serve", "--config", str(file), "--lang", language) == (2, told + "\n")


def test_good_settings_are_fine_and_unwise_ones_told(tmp_path: Path) -> None:
    """Exit 0, with a remark on what is not safe."""
    file = tmp_path / "kykysilta.toml"
    file.write_text("demo = true\nhost = '0.0.0.0'\nworkers = 0\nrepository_url = 'http://kanta.example/fhir'")
    code, said = run("config", "check", "--config", str(file))
    assert code == 0
    assert "Asetukset ovat kunnossa" in said
    for setting in ("demo:", "host:", "public_url:", "repository_url:", "signing:", "audit_key_file:", "workers:"):
        assert f"! {setting}" in said
    file.write_text("demo = true\nhost = '0.0.0.0'\npublic_url = 'https://adapter.example'")
    assert "public_url:" not in run("config", "check", "--config", str(file))[1]


def test_the_outbox_is_listed_shown_and_watched(adapter_url: str) -> None:
    """Ids, states, steps, and bars that move."""
    with AdapterClient(adapter_url) as client:
        taken = client.send(record("client"))
        client.wait_for_receipt(taken.id)
    code, said = run("outbox", "list", "--url", adapter_url)
    assert (code, taken.id in said, "delivered" in said) == (0, True, True)
    lines = run("outbox", "list", "--url", adapter_url, columns=80)[1].splitlines()
    (line,) = [each for each in lines if taken.id in each]
    assert line.split()[1:5] == ["client", "1", "delivered", "1"]
    assert len(line.split()) == 7  # with day and time
    assert taken.id not in run("outbox", "list", "--url", adapter_url, "--state", "dead")[1]
    code, said = run("outbox", "show", taken.id, "--url", adapter_url)
    assert code == 0
    assert "Arkisto on ottanut tietueen vastaan" in said
    assert "Patient/" in said
    code, said = run("outbox", "watch", "--url", adapter_url, "--looks", "2", "--every", "0.1")
    assert code == 0
    assert "█" in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_list_is_one_line_a_submission_on_every_screen(
    adapter_url: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A narrow terminal shows fewer columns, the important ones whole; none has lines that go on in the next."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    with AdapterClient(adapter_url) as client:
        records = ("functional-assessment", "work-ability-plan")
        ids = [client.send(record(name)).id for name in records]
        for submission in ids:
            client.wait_for_receipt(submission)
    for columns, cells in {120: 7, 100: 6, 80: 5, 60: 2}.items():
        said = run("outbox", "list", "--url", adapter_url, "--lang", language, columns=columns)[1]
        lines = re.sub(r"\x1b\[[\d;]*m", "", said).splitlines()
        for submission, name in zip(ids, records, strict=True):
            (line,) = [each for each in lines if each.startswith(submission)]
            assert (len(line.split()), len(line.rstrip()) <= columns) == (cells, True)
            assert "delivered" in line.split()
            assert name.replace("-", "_") in line or columns < 80


def test_a_consent_has_a_receipt_and_a_record_is_taken_back(adapter_url: str) -> None:
    """The receipt is printed in plain words; an invalidation without a reason is wrong use."""
    with AdapterClient(adapter_url) as client:
        taken = client.send(record("consent"))
        client.wait_for_receipt(taken.id)
        code, said = run("outbox", "receipt", taken.id, "--url", adapter_url, "--lang", "fi")
        assert (code, "Voit peruuttaa suostumuksen milloin tahansa" in said) == (0, True)
        assert client.withdraw(taken.id)["act"] == "withdrawn"
    assert run("outbox", "invalidate", taken.id, "--url", adapter_url)[0] == 2
    assert run("outbox", "invalidate", taken.id, "--reason", "väärä", "--url", adapter_url)[0] == 0
    with AdapterClient(adapter_url) as client:
        first, *_ = client.search(record_type="consent")
        assert first.record_version == client.status(taken.id).record_version + 2


def test_submissions_are_cancelled_and_sent_again(tmp_path: Path) -> None:
    """One, then all of a state; what is not possible is said."""
    settings = load_settings(
        database=f"sqlite:///{tmp_path / 'k.sqlite'}", repository_url=f"http://127.0.0.1:{free_port()}/fhir", demo=True
    )
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url, AdapterClient(url) as client:
        ids = [client.send(record("client")).id for _ in range(3)]
        for submission in ids:
            while client.status(submission).state != "cancelled":
                run("outbox", "cancel", submission, "--url", url)
        assert run("outbox", "replay", "--url", url)[0] == 2
        code, said = run("outbox", "replay", "--state", "cancelled", "--url", url)
        assert (code, [word for word in said.split() if word in ids]) == (0, ids)
        assert run("outbox", "show", "0" * 32, "--url", url)[0] == 2


def test_what_cannot_be_sent_again_holds_up_no_other(tmp_path: Path) -> None:
    """Invalidated, outdated, unknown: each is told in a line of its own, the others go, and the exit code is 1."""
    settings = load_settings(
        database=f"sqlite:///{tmp_path / 'k.sqlite'}",
        repository_url=f"http://127.0.0.1:{free_port()}/fhir",
        demo=True,
        workers=0,
    )
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url, AdapterClient(url) as client:
        content = read_json(record("client"))
        outdated, _newer = (client.send(content | {"record_version": number}).id for number in (1, 2))
        invalidated, first, last = (client.send(record("client")).id for _ in range(3))
        unknown = "0" * 32
        code, said = run("outbox", "cancel", outdated, unknown, invalidated, first, last, "--url", url)
        unheard = f"{unknown}: {text('delivery.no-such-submission', 'fi')}"
        assert (code, steered(said)) == (1, ([outdated, invalidated, first, last], [unheard]))
        client.invalidate(invalidated, "väärä")
        code, said = run("outbox", "replay", "--state", "cancelled", "--url", url, "--lang", "en")
        refused = [
            f"{outdated}: {text('delivery.newer-handed-over', 'en')}",
            f"{invalidated}: {text('delivery.invalidated-not-sent', 'en')}",
        ]
        assert (code, steered(said)) == (1, ([first, last], refused))
        code, said = run("outbox", "replay", first, "--url", url, "--lang", "sv")
        again = f"{first}: {text('delivery.not-replayable', 'sv', state='queued')}"
        assert (code, steered(said)) == (1, ([], [again]))
        assert run("outbox", "replay", "--state", "delivered", "--url", url)[0] == 2


def test_an_adapter_that_is_not_there_is_said() -> None:
    """Exit 4 and the command that starts one."""
    code, said = run("outbox", "list", "--url", f"http://127.0.0.1:{free_port()}")
    assert code == 4
    assert "kykysilta serve" in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_that_the_system_refuses_is_told_in_the_callers_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    """Which file, what to do, and the system's own words behind it, for files read and written alike."""
    absent, inside = tmp_path / "absent.json", tmp_path / "absent" / "out.json"
    (tmp_path / "record.json").write_bytes(record("client"))
    for arguments, file in (
        (("map", str(absent)), absent),
        (("map", str(absent), "--format", "ndjson"), absent),
        (("validate", str(absent)), absent),
        (("decide", str(absent)), absent),
        (("map", str(tmp_path / "record.json"), "-o", str(inside)), inside),
    ):
        told = text("cli.file-absent", language, name=str(file), reason="No such file or directory")
        assert run(*arguments, "--lang", language) == (2, told + "\n")
    below = tmp_path / "record.json" / "x"
    told = text("cli.file-absent", language, name=str(below), reason="Not a directory")
    assert run("generate", "--folder", str(below), "--lang", language) == (2, told + "\n")
    code, said = run("explain", str(tmp_path), "id", "--lang", language)
    assert (code, said) == (2, text("cli.file-is-folder", language, name=str(tmp_path), reason="Is a directory") + "\n")
    monkeypatch.setenv("KYKYSILTA_AUTHORITIES_FILE", str(absent))
    code, said = run("outbox", "list", "--lang", language)
    told = text("cli.file-absent", language, name=str(absent), reason="No such file or directory")
    assert (code, said) == (2, told + "\n")


def test_who_calls_is_asked_for(tmp_path: Path) -> None:
    """Without a name a registered adapter is not called in vain: the variables that name the caller are told."""
    (tmp_path / "keys.json").write_text('{"keys": []}')
    settings = load_settings(
        database=f"sqlite:///{tmp_path / 'k.sqlite'}",
        repository_url=f"http://127.0.0.1:{free_port()}/fhir",
        demo=True,
        clients={"ehr": {"jwks_file": tmp_path / "keys.json", "custodians": ["1.2.3"]}},
    )
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url:
        code, said = run("outbox", "list", "--url", url)
    assert code == 2
    assert "KYKYSILTA_CLIENT_ID" in said


@pytest.mark.parametrize("command", [("serve",), ("outbox", "work")], ids=" ".join)
def test_a_database_that_does_not_open_is_said(command: tuple[str, ...]) -> None:
    """Exit 2 with the reason and the setting, and no stack."""
    given = {
        "KYKYSILTA_DEMO": "true",
        "KYKYSILTA_PORT": "0",
        "KYKYSILTA_DATABASE": "sqlite:////nowhere/at/all.sqlite",
    }
    started = [str(Path(sys.executable).parent / "kykysilta"), *command]
    ended = subprocess.run(started, env=os.environ | given, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "unable to open database file" in ended.stderr
    assert "KYKYSILTA_DATABASE" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_worker_of_its_own_delivers_and_ends_gently(tmp_path: Path) -> None:
    """An API without workers accepts; `outbox work` delivers from the same database, and SIGTERM ends it with 0."""
    given = {"KYKYSILTA_DATABASE": f"sqlite:///{tmp_path / 'k.sqlite'}", "KYKYSILTA_DEMO": "true"}
    with running_mock(MockSettings(port=0)) as repository_url:
        given["KYKYSILTA_REPOSITORY_URL"] = repository_url
        settings = load_settings(
            database=given["KYKYSILTA_DATABASE"], repository_url=repository_url, demo=True, workers=0
        )
        with in_background(adapter_app(settings), "127.0.0.1", 0) as url, AdapterClient(url) as client:
            taken = client.send(record("client"))
            command = [str(Path(sys.executable).parent / "kykysilta"), "outbox", "work", "--threads", "2"]
            assert client.status(taken.id).state == "queued"
            with subprocess.Popen(command, env=os.environ | given, stderr=subprocess.DEVNULL) as worker:
                assert client.wait_for_receipt(taken.id, seconds=60).state == "delivered"
                worker.send_signal(signal.SIGTERM)
                assert worker.wait(60) == 0


def test_a_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    """SIGTERM ends the demo as Ctrl-C does: exit 0, no temporary folder."""
    command = [str(Path(sys.executable).parent / "kykysilta"), "demo"]
    ports = ["--port", str(free_port()), "--mock-port", str(free_port())]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([*command, *ports], stdout=subprocess.DEVNULL, env=environment) as process:
        until = time.monotonic() + 60
        while not list(tmp_path.glob("kykysilta-*/kykysilta.sqlite")) and time.monotonic() < until:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert not list(tmp_path.glob("kykysilta-*"))
