"""Files that leave: what is in them, hash and signature, harmless spreadsheets, the second pair of eyes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile

import httpx
import pytest

from adapter.audit.sheets import Sheet, Table
from adapter.errors import SigningError
from adapter.review.exports import as_csv, package
from adapter.review.signing import check
from tests.review.conftest import CITY, KAINO, MOONA, SIGNER, Browser, Desk
from tests.review.test_lists import entries

pytestmark = pytest.mark.anyio


def files(answer: httpx.Response) -> dict[str, bytes]:
    """The files of a ZIP, its hashes checked."""
    assert answer.headers["content-type"] == "application/zip", answer.text[:500]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    for line in found["SHA256SUMS"].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(found[name]).hexdigest() == digest
    return found


def table(content: bytes) -> list[dict[str, str]]:
    """Rows of a CSV file by column."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


async def exported(browser: Browser, what: str, form: str, **fields: str) -> dict[str, bytes]:
    """The files of an export."""
    answer = await browser.post("/exports", what=what, format=form, **fields)
    assert answer.headers["content-disposition"] == f'attachment; filename="kykysilta-{what}.zip"'
    return files(answer)


async def test_a_client_gets_consents_disclosures_and_recipients(browser: Browser) -> None:
    """Article 15, in all three forms; without the identity code, recipients by name."""
    await browser.sign_in(name="naapuri")
    client = (await browser.open(KAINO)).rpartition("/")[2]
    listed = await exported(browser, "client", "json", client=client)
    told = json.loads(listed["kykysilta-client.json"])
    sizes = {each["title"]: len(each["rows"]) for each in told["tables"]}
    assert sizes["Luovutukset"] == 3
    assert sizes["Suostumukset"] == 6
    assert "Harjunpään sosiaali- ja terveyskeskus" in listed["kykysilta-client.json"].decode()
    assert KAINO not in listed["kykysilta-client.json"].decode()
    sheets = await exported(browser, "client", "csv", client=client)
    assert [len(table(sheets[f"kykysilta-client-{n}.csv"])) for n in (1, 2, 3)] == [*sizes.values()]


async def test_a_pdf_is_a_document_with_title_and_language(browser: Browser) -> None:
    """Letters of Finnish names are in its typeface; it says what it is."""
    await browser.sign_in()
    client = (await browser.open_moona()).rpartition("/")[2]
    document = (await exported(browser, "client", "pdf", client=client))["kykysilta-client.pdf"]
    assert document.startswith(b"%PDF-")
    assert b"/Lang (fi)" in document
    assert b"DejaVuSans" in document
    assert MOONA.encode() not in document


async def test_the_signature_holds_and_breaks_with_one_byte(browser: Browser) -> None:
    """Over the list of hashes, by the adapter's signing key; whoever has the public key can check it."""
    await browser.sign_in()
    found = await exported(browser, "record", "json")
    jws, public = found["SHA256SUMS.jws"].decode(), SIGNER.private_key.public_key()
    check(found["SHA256SUMS"], jws, public)
    with pytest.raises(SigningError):
        check(found["SHA256SUMS"] + b" ", jws, public)


def test_without_a_key_there_are_hashes_only() -> None:
    """The file says nothing that nobody signed."""
    sheet = Sheet("t", (), (Table("a", ("b",), (("c",),)),))
    content = package(sheet, "csv", "x", language="fi", made=1e9, sign=None)
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() == ["x.csv", "SHA256SUMS"]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1", "\n=1"])
def test_a_formula_in_a_cell_becomes_text(cell: str) -> None:
    """A spreadsheet shows it and does not run it."""
    (row,) = table(as_csv(Table("t", ("a",), ((cell,),))))
    assert row["a"] == f"'{cell}"


async def test_lists_are_exported_as_filtered(browser: Browser, desk: Desk) -> None:
    """The consents that the filter leaves, the entries that the search finds; each export is in the log."""
    await browser.sign_in()
    one = table((await exported(browser, "consents", "csv", purpose="feedback"))["kykysilta-consents.csv"])
    assert [row["Käyttötarkoitukset"] for row in one] == ["palaute"]
    fields = {"kind": "decision", "reason": "supervision", "since": "2021-09-01", "until": "2021-09-01"}
    entries_found = table((await exported(browser, "log", "csv", **fields))["kykysilta-log.csv"])
    assert len(entries_found) == 13
    acts = [each["act"] for each in entries(desk) if str(each.get("act", "")).startswith("export-")]
    assert acts == ["export-consents", "export-log"]


async def test_a_large_export_waits_for_a_second_reviewer(browser: Browser, desk: Desk) -> None:
    """Nobody approves their own; who sees less may not; the asker takes it for a day; every step is in the log."""
    await browser.sign_in(name="kaikki")
    waiting = await browser.post("/exports", what="consents", format="csv")
    assert "Odottaa toisen tarkastajan hyväksyntää" in waiting.text
    name = next(str(each["export"]) for each in entries(desk) if each.get("act") == "export-waits")
    assert (await browser.post(f"/exports/{name}/approve")).status_code == 403
    assert (await browser.post(f"/exports/{name}/file")).status_code == 403
    await browser.sign_in(name="tarkastaja")
    assert name not in (await browser.get("/exports")).text
    assert (await browser.post(f"/exports/{name}/approve")).status_code == 403
    second(desk)
    await browser.sign_in(name="toinen")
    assert name in (await browser.get("/exports")).text
    assert "Hyväksyjä: toinen" in (await browser.post(f"/exports/{name}/approve")).text
    assert (await browser.post(f"/exports/{name}/file")).status_code == 403
    await browser.sign_in(name="kaikki")
    rows = table(files(await browser.post(f"/exports/{name}/file"))["kykysilta-consents.csv"])
    assert len({row["Asiakas"] for row in rows}) == 2
    acts = [each["act"] for each in entries(desk) if "export" in str(each.get("act"))]
    assert acts[-4:] == ["list-exports", "export-approved", "list-exports", "export-consents"]
    desk.clock.now += 25 * 3600
    await browser.sign_in(name="kaikki")
    assert (await browser.post(f"/exports/{name}/file")).status_code == 404


def second(desk: Desk) -> None:
    """Another reviewer who sees everybody."""
    from adapter.review import create_reviewer
    from tests.review.conftest import CUSTODIANS, OTHER_COUNTY, PASSWORD

    create_reviewer(desk.database, "toinen", PASSWORD, custodians=(*CUSTODIANS, OTHER_COUNTY))


async def test_the_receipt_of_a_withdrawal_lists_those_to_be_told(browser: Browser, desk: Desk) -> None:
    """Whom the consent named and who got data by it; only for a consent that has ended."""
    desk.clock.set("2023-12-02T12:00:00+02:00")
    await browser.sign_in(name="naapuri")
    path = await browser.open(KAINO)
    client, page = path.rpartition("/")[2], (await browser.get(path)).text
    consent = re.findall(r'name="consent" value="([0-9a-f]{32})"', page)[0]
    found = await exported(browser, "receipt", "json", client=client, consent=consent)
    told = json.loads(found["kykysilta-receipt.json"])
    recipients = {row["Vastaanottaja"]: row["Miksi"] for row in told["tables"][0]["rows"]}
    assert "Työkyvyn tuen tiimi, Harjunpää" in recipients
    assert "saanut tietoja" in recipients["Kansaneläkelaitos"]
    assert told["lead"]
    answer = await browser.post("/exports", what="receipt", format="json", client=client, consent="0" * 32)
    assert answer.status_code == 404


async def test_the_client_gets_a_copy_of_the_log(browser: Browser, desk: Desk) -> None:
    """In the language asked for, staff as organisations, one entry withheld on a ground, a day for the answer."""
    desk.clock.set("2023-12-02T12:00:00+02:00")
    await browser.sign_in(name="naapuri")
    path = await browser.open(KAINO)
    page = await browser.get(f"{path}/log-copy")
    assert "2.1.2024" in page.text
    hidden = re.findall(r'name="hold-(\d+)"', page.text)[-1]
    fields = {"client": path.rpartition("/")[2], "requester": "client", "copy_language": "sv", "asked": "2023-12-01"}
    found = await exported(browser, "log-copy", "json", **fields, **{f"hold-{hidden}": "rights-of-others"})
    copy = json.loads(found["kykysilta-log-copy.json"])
    assert any("1.1.2024" in sentence for sentence in copy["lead"])
    assert any("visas: 1." in sentence and "rättigheter" in sentence for sentence in copy["lead"])
    written = found["kykysilta-log-copy.json"].decode()
    assert "Kansaneläkelaitos" in written
    assert next(each for each in entries(desk) if each.get("act") == "log-copy")["withheld"] == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"requester": "other"}, "Lokitietoja ei"), ({"requester": "client", "since": "2019-01-01"}, "syy")],
)
async def test_a_copy_is_refused_with_a_sentence(
    browser: Browser, desk: Desk, fields: dict[str, str], said: str
) -> None:
    """To somebody who may not act for the client, and for old entries without a special reason; the log says so."""
    await browser.sign_in()
    client = (await browser.open_moona()).rpartition("/")[2]
    answer = await browser.post("/exports", what="log-copy", format="pdf", client=client, **fields)
    assert answer.status_code == 403
    assert said in answer.text
    refused = entries(desk)[-1]
    assert (refused["act"], refused["client"], refused["requester"]) == ("refuse-log-copy", client, fields["requester"])
    assert refused["reviewer"]


@pytest.mark.parametrize("fields", [{"what": "nothing", "format": "csv"}, {"what": "log", "format": "exe"}])
async def test_an_unknown_file_is_refused(browser: Browser, fields: dict[str, str]) -> None:
    """Only what the pages offer."""
    await browser.sign_in()
    assert (await browser.post("/exports", **fields)).status_code == 400


async def test_an_auditor_takes_the_log_and_sheets_but_no_client(browser: Browser) -> None:
    """The role holds for files as for pages."""
    await browser.sign_in(name="lokinlukija")
    assert (await browser.post("/exports", what="consents", format="csv")).status_code == 403
    assert (await browser.post("/exports", what="client", format="csv", client="x")).status_code == 403
    assert "kykysilta-record.pdf" in await exported(browser, "record", "pdf")


async def test_the_sheets_of_articles_30_and_35_stand_on_pages(browser: Browser) -> None:
    """Controllers, purposes, statutes, versions of the configuration; volumes and open findings."""
    await browser.sign_in()
    record = (await browser.get("/record")).text
    assert CITY in record
    assert "statutory-rules.yaml" in record
    facts = (await browser.get("/facts")).text
    assert "Tiimi ilman voimassa olevaa suostumusta" in facts


async def test_the_health_page_says_what_is_missing(browser: Browser, desk: Desk) -> None:
    """Log checked now, last decision, newest consent; without a checkpoint it says what to set."""
    await browser.sign_in()
    page = (await browser.get("/health")).text
    assert "Ehjä: " in page
    assert "KYKYSILTA_AUDIT_KEY_FILE" in page
    assert page.count("1.12.2023") >= 2


async def test_a_breach_search_counts_acts_clients_and_classes(browser: Browser, desk: Desk) -> None:
    """Between two instants, with the clients by name on the page and their codes only in the file."""
    await browser.sign_in(name="naapuri")
    span = {"since": "2023-12-01T00:00", "until": "2023-12-02T00:00"}
    page = (await browser.post("/breach", **span)).text
    assert "3 katselua tai luovutusta, 1 asiakasta" in page
    assert "Perämaa" in page
    assert KAINO not in page
    found = await exported(browser, "breach", "csv", **span)
    assert len(table(found["kykysilta-breach-1.csv"])) == 3
    assert (await browser.post("/breach", since="soon", until="later")).status_code == 400
    assert [each["clients"] for each in entries(desk) if each.get("act") == "breach-search"] == [1]
