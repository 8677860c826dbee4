"""A file taken from the pages is checked by whoever holds it: each thing that is wrong is named."""

from __future__ import annotations

import base64
import dataclasses
import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from adapter.audit.sheets import Sheet, Table
from adapter.cli.app import command_line
from adapter.i18n import LANGUAGES, text
from adapter.review.checking import Flaw, flaws_of
from adapter.review.exports import package
from adapter.review.signing import signing
from tests.review.conftest import SIGNER

KEY = SIGNER.private_key.public_key()
STRANGER = ec.generate_private_key(ec.SECP256R1()).public_key()
TABLE = Table("t", ("a",), (("b",),))
SHEET = Sheet("t", (), (TABLE, TABLE))


def made(*, signed: bool = True, chain: tuple[str, ...] = ()) -> bytes:
    """A file of two parts with hashes and signature."""
    signer = dataclasses.replace(SIGNER, chain=chain)
    return package(SHEET, "csv", "x", language="fi", made=1e9, sign=signing(lambda: signer) if signed else None)


def bent(content: bytes, **parts: bytes | None) -> bytes:
    """The same file with other parts; None takes a part away."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, part in (found | parts).items():
            if part is not None:
                archive.writestr(name, part)
    return out.getvalue()


def certificate() -> str:
    """A certificate of the signing key by itself, base64 DER."""
    name, now = x509.Name([]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, KEY, 1, now, now + timedelta(days=1))
    return base64.b64encode(builder.sign(SIGNER.private_key, SHA256()).public_bytes(Encoding.DER)).decode()


def test_a_whole_file_has_no_flaw() -> None:
    """Also when one of several keys has signed it; without keys the hashes alone are looked at."""
    assert flaws_of(made(), [STRANGER, KEY]) == []
    assert flaws_of(made(signed=False)) == []


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({"x-1.csv": b"other"}, [Flaw("changed", "x-1.csv")]),
        ({"x-2.csv": None}, [Flaw("missing", "x-2.csv")]),
        ({"x-3.csv": b"new"}, [Flaw("unlisted", "x-3.csv")]),
        ({"SHA256SUMS": None}, [Flaw("form")]),
        ({"SHA256SUMS.jws": None}, [Flaw("unsigned")]),
        ({"SHA256SUMS.jws": b"\xff."}, [Flaw("signature")]),
        ({"x-1.csv": b"other", "x-3.csv": b"new"}, [Flaw("changed", "x-1.csv"), Flaw("unlisted", "x-3.csv")]),
    ],
)
def test_every_part_that_is_wrong_is_named(parts: dict[str, bytes | None], found: list[Flaw]) -> None:
    """Changed, taken away, added, without list or signature."""
    assert flaws_of(bent(made(), **parts), [KEY]) == found


def test_a_list_made_anew_breaks_the_signature() -> None:
    """Whoever changes a part and its hash cannot sign the list again."""
    other = zipfile.ZipFile(io.BytesIO(package(SHEET, "json", "x", language="fi", made=1e9, sign=None)))
    parts: dict[str, bytes | None] = {name: other.read(name) for name in other.namelist()}
    forged = bent(made(), **parts, **{"x-1.csv": None, "x-2.csv": None})
    assert flaws_of(forged) == []
    assert flaws_of(forged, [KEY]) == [Flaw("signature", SIGNER.key_id)]


@pytest.mark.parametrize("key", [STRANGER, rsa.generate_private_key(65537, 2048).public_key()])
def test_another_key_is_told_from_a_changed_list_by_the_certificate(key: object) -> None:
    """With the signer's certificate in the file it is certain that the list is whole; without it, it is not."""
    assert flaws_of(made(chain=(certificate(),)), [key]) == [Flaw("key", SIGNER.key_id)]
    assert flaws_of(made(), [key]) == [Flaw("signature", SIGNER.key_id)]


def test_what_is_no_file_of_ours_is_said_so() -> None:
    """No ZIP, half a ZIP, and two parts of one name."""
    twice = io.BytesIO(made())
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(twice, "a") as archive:
        archive.writestr("x-1.csv", b"another")
    for content in (b"", b"PK", made()[:200], twice.getvalue()):
        assert flaws_of(content, [KEY]) == [Flaw("form")]


def test_the_command_names_what_is_wrong(tmp_path: Path) -> None:
    """Exit 0 when all holds, 1 with a line for every flaw in the language asked for, 2 without a usable key."""
    (tmp_path / "key.pem").write_bytes(KEY.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "whole.zip").write_bytes(made())
    (tmp_path / "bent.zip").write_bytes(bent(made(), **{"x-1.csv": b"other", "SHA256SUMS.jws": None}))

    def run(name: str, *more: str) -> tuple[int, str]:
        words = ["audit", "check-export", str(tmp_path / name), *more]
        result = CliRunner().invoke(command_line(words), words)
        return result.exit_code, result.output.strip()

    key = ("--key", str(tmp_path / "key.pem"))
    assert run("whole.zip", *key) == (0, text("audit.export-whole", "fi"))
    assert run("whole.zip") == (0, text("audit.export-no-key", "fi"))
    for language in LANGUAGES:
        lines = (text("audit.export-changed", language, name="x-1.csv"), text("audit.export-unsigned", language))
        assert run("bent.zip", *key, "--lang", language) == (1, "\n".join(lines))
    assert run("whole.zip", "--key", str(tmp_path / "whole.zip"))[0] == 2
    assert run("none.zip", *key)[0] == 2
