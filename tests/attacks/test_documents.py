"""Hostile JSON and XML documents are refused with an outcome: by the API, the library and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import adapter
from adapter.cli.app import command_line
from adapter.data import data_root
from adapter.types import Outcome
from tests.attacks.conftest import Canary, Refused, body

PLAN = (data_root() / "mappings" / "vendors" / "silmu" / "examples" / "SCN-3-plan.xml").read_text("utf-8")
DECLARATION, PLAN_ROOT = PLAN.split("\n", 1)
SILMU = "/v1/records?vendor=silmu"
GOOD = body()


def _inside(text: bytes) -> bytes:
    """A good record with something more before its end."""
    return GOOD.rstrip()[:-1] + b"," + text + b"}"


JSON: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \n\t ",
    "null": b"null",
    "text": b'"client"',
    "number": b"1",
    "list": b"[" + GOOD + b"]",
    "twice the same key": _inside(b'"record_type":"client"'),
    "twice the same key, escaped": _inside(b'"record\\u005ftype":"client"'),
    "twice the same key, deep inside": _inside(b'"home_county":{"id":"1","id":"2"}'),
    "100,000 lists": b"[" * 100_000,
    "100,000 lists, closed": b"[" * 100_000 + b"]" * 100_000,
    "5,000 objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "101 levels in a field": _inside(b'"x":' + b"[" * 101 + b"]" * 101),
    "200,000 values": _inside(b'"x":[' + b"1," * 200_000 + b"1]"),
    "200,000 keys": b"{" + b",".join(b'"k%d":1' % number for number in range(200_000)) + b"}",
    "number of 100,000 digits": _inside(b'"x":' + b"9" * 100_000),
    "exponent of 400,000": _inside(b'"x":1e400000'),
    "exponent of minus 400,000": _inside(b'"x":1e-400000'),
    "fraction of 100,000 digits": _inside(b'"x":0.' + b"0" * 100_000 + b"1"),
    "version of 60 digits": body(record_version=10**60),
    "version above 63 bits": body(record_version=2**63),
    "version above 31 bits": body(record_version=2**31),
    "version minus one": body(record_version=-1),
    "version as text": body(record_version="1"),
    "version as truth": body(record_version=True),
    "NaN": _inside(b'"x":NaN'),
    "Infinity": _inside(b'"x":-Infinity'),
    "hexadecimal": _inside(b'"x":0x10'),
    "leading zero": _inside(b'"x":010'),
    "lone high surrogate": GOOD.replace(b'"Asiakas"', b'"\\ud800"'),
    "lone low surrogate": GOOD.replace(b'"Asiakas"', b'"\\udc00x"'),
    "surrogates swapped": GOOD.replace(b'"Asiakas"', b'"\\udc00\\ud800"'),
    "surrogate as bytes": GOOD.replace(b'"Asiakas"', b'"\xed\xa0\x80"'),
    "surrogate in a key": _inside(b'"\\ud800":1'),
    "NUL escaped": GOOD.replace(b'"Asiakas"', b'"A\\u0000B"'),
    "NUL raw": GOOD.replace(b'"Asiakas"', b'"A\0B"'),
    "NUL in a key": _inside(b'"a\\u0000b":1'),
    "NUL behind": GOOD + b"\0",
    "control character raw": GOOD.replace(b'"Asiakas"', b'"A\x01B"'),
    "overlong UTF-8": GOOD.replace(b'"Asiakas"', b'"\xc0\xaf"'),
    "Latin-1": GOOD.replace(b'"Asiakas"', b'"\xe4\xe4"'),
    "UTF-16 with mark": GOOD.decode().encode("utf-16"),
    "UTF-16 without mark": GOOD.decode().encode("utf-16-le"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "mark twice": b"\xef\xbb\xbf" * 2 + GOOD,
    "garbage behind": GOOD + b"x",
    "two documents": GOOD + GOOD,
    "comment": GOOD.replace(b"{", b"{/* hello */", 1),
    "single quotes": b"{'record_type':'client'}",
    "trailing comma": GOOD.rstrip()[:-1] + b",}",
    "cut in half": GOOD[: len(GOOD) // 2],
    "cut in an escape": b'{"record_type":"\\u00',
    "record type is a list": body(record_type=["client"]),
    "record type is an object": body(record_type={}),
    "record type is a path": body(record_type="../../../etc/passwd"),
    "record type is null": body(record_type=None),
    "ten megabytes of blanks": b" " * 10_000_001,
    "a key of a megabyte": _inside(b'"' + b"k" * 1_000_000 + b'":1'),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\0" * 100,
    "pickle": b"cos\nsystem\n(S'true'\ntR.",
    "yaml": b"!!python/object/apply:os.system ['true']",
}


@pytest.mark.parametrize("attack", JSON, ids=str)
def test_hostile_json_is_refused(refused: Refused, attack: str) -> None:
    """400 with an outcome, 413 for what is too long."""
    refused(JSON[attack], status=413 if attack == "ten megabytes of blanks" else 400)


@pytest.mark.parametrize("attack", JSON, ids=str)
def test_the_library_refuses_the_same(attack: str) -> None:
    """`map_record` raises an AdapterError and nothing else; `validate` answers with issues."""
    with pytest.raises(adapter.AdapterError):
        adapter.map_record(JSON[attack])
    outcome: Outcome = adapter.validate(JSON[attack])
    assert not outcome.ok


def _entities(count: int) -> str:
    names = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, count))
    return f'<!DOCTYPE Plan [<!ENTITY l0 "ha">{names}]>'


def _doctype(declaration: str, use: str = "") -> bytes:
    return f"{DECLARATION}\n{declaration}\n{PLAN_ROOT.replace('Moona Tuulispää', use or 'Moona')}".encode()


def xml_attacks(canary: str) -> dict[str, bytes]:
    """Hostile XML documents; addresses in them are the canary's."""
    text = PLAN
    return {
        "external entity, file": _doctype('<!DOCTYPE Plan [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "&x;"),
        "external entity, address": _doctype(f'<!DOCTYPE Plan [<!ENTITY x SYSTEM "{canary}/x">]>', "&x;"),
        "external parameter entity": _doctype(f'<!DOCTYPE Plan [<!ENTITY % x SYSTEM "{canary}/x"> %x;]>'),
        "external DTD": _doctype(f'<!DOCTYPE Plan SYSTEM "{canary}/plan.dtd">'),
        "public DTD": _doctype(f'<!DOCTYPE Plan PUBLIC "-//X//Y" "{canary}/plan.dtd">'),
        "billion laughs": _doctype(_entities(10), "&l9;"),
        "quadratic blow-up": _doctype(f'<!DOCTYPE Plan [<!ENTITY a "{"a" * 100_000}">]>', "&a;" * 1_000),
        "entity that holds itself": _doctype('<!DOCTYPE Plan [<!ENTITY a "&b;"><!ENTITY b "&a;">]>', "&a;"),
        "empty DOCTYPE": _doctype("<!DOCTYPE Plan>"),
        "DOCTYPE behind a comment": _doctype("<!-- x --><!DOCTYPE Plan []>"),
        "DOCTYPE behind an instruction": _doctype('<?x y="<a>"?>\n<!DOCTYPE Plan []>'),
        "DOCTYPE without declaration": ("<!DOCTYPE Plan []>" + PLAN_ROOT).encode(),
        "DOCTYPE in UTF-16": ("<!DOCTYPE Plan []>" + PLAN_ROOT).encode("utf-16"),
        "DOCTYPE in UTF-7": b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE Plan+AD4-',
        "EBCDIC": text.replace("UTF-8", "cp037").encode("cp037"),
        "declared Latin-1": text.replace("UTF-8", "ISO-8859-1").encode(),
        "Latin-1 bytes": text.encode("latin-1"),
        "entity that nobody declared": text.replace("Moona Tuulispää", "&x;").encode(),
        "reference to NUL": text.replace("Moona Tuulispää", "&#0;").encode(),
        "reference to a surrogate": text.replace("Moona Tuulispää", "&#xD800;").encode(),
        "50,000 elements deep": ("<Plan>" * 50_000 + "</Plan>" * 50_000).encode(),
        "200 elements deep": ('<Plan xmlns="urn:silmu:tyokyky:3">' + "<a>" * 200 + "</a>" * 200 + "</Plan>").encode(),
        "150,000 elements": ('<Plan xmlns="urn:silmu:tyokyky:3">' + "<a/>" * 150_000 + "</Plan>").encode(),
        "50,000 attributes": ("<Plan " + " ".join(f'a{n}="1"' for n in range(50_000)) + "/>").encode(),
        "attribute twice": text.replace('planType="typ-plan"', 'planType="typ-plan" planType="x"').encode(),
        "attribute twice by two prefixes": text.replace(
            "<Plan ", '<Plan xmlns:a="urn:x" xmlns:b="urn:x" a:z="1" b:z="2" '
        ).encode(),
        "another namespace": text.replace("urn:silmu:tyokyky:3", "urn:silmu:tyokyky:4").encode(),
        "no namespace": text.replace(' xmlns="urn:silmu:tyokyky:3"', "").encode(),
        "prefix that nobody declared": text.replace("<y:Display>", "<q:Display>", 1)
        .replace("</y:Display>", "</q:Display>", 1)
        .encode(),
        "prefix bound to another namespace": text.replace("urn:silmu:yhteiset:2", "urn:evil").encode(),
        "the xml prefix bound anew": text.replace("<Plan ", '<Plan xmlns:xml="urn:evil" ').encode(),
        "XInclude": text.replace(
            "Moona Tuulispää",
            '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>',
        ).encode(),
        "element twice": text.replace("<Period ", '<Period start="2020-01-01"/><Period ', 1).encode(),
        "text between elements": text.replace("<Client ", "hello<Client ", 1).encode(),
        "two roots": (text + "<Plan/>").encode(),
        "garbage behind": (text + "x").encode(),
        "cut in half": text.encode()[: len(text) // 2],
        "unclosed CDATA": b"<Plan><![CDATA[",
        "unclosed comment": b"<Plan><!--",
        "version 1.1": text.replace('version="1.0"', 'version="1.1"').replace("Moona", "&#1;").encode(),
        "JSON instead": GOOD,
        "version of 60 digits": text.replace('recordVersion="1"', f'recordVersion="{10**60}"').encode(),
        "a namespace of a megabyte": text.replace("urn:silmu:yhteiset:2", "u" * 1_000_000).encode(),
        "a comment that never pairs": ("<Plan>" + "<!-- - " * 20_000).encode(),
    }


XML = xml_attacks("http://127.0.0.1:9")


@pytest.mark.parametrize("attack", XML, ids=str)
def test_hostile_xml_is_refused(refused: Refused, canary: Canary, attack: str) -> None:
    """400 with an outcome; no file and no address is opened."""
    outcome = refused(xml_attacks(canary.url)[attack], path=SILMU)
    assert "root:" not in str(outcome)


@pytest.mark.parametrize("attack", XML, ids=str)
def test_the_validator_refuses_hostile_xml(attack: str) -> None:
    """`adapter.validate` answers with issues."""
    assert not adapter.validate(XML[attack]).ok


CLI = {
    "lists": b"[" * 100_000,
    "duplicate": JSON["twice the same key"],
    "surrogate": JSON["lone high surrogate"],
    "NUL": JSON["NUL raw"],
    "not UTF-8": JSON["Latin-1"],
    "external entity": XML["external entity, file"],
    "laughs": XML["billion laughs"],
    "empty": b"",
    "version": JSON["version of 60 digits"],
}


@pytest.mark.parametrize("command", ["map", "validate", "unmap"])
@pytest.mark.parametrize("attack", CLI, ids=str)
def test_the_command_line_refuses(tmp_path: Path, command: str, attack: str) -> None:
    """A clear message and an exit code, never a traceback."""
    file = tmp_path / "hostile"
    file.write_bytes(CLI[attack])
    result = CliRunner().invoke(command_line(), [command, str(file)])
    assert result.exit_code not in (0, 1) or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code != 0
    assert "Traceback" not in result.output
