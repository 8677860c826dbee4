"""The pages: three languages, usable without JavaScript, explaining every refusal."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from lxml import html

from adapter.data import data_root, read_yaml


@pytest.fixture
def page(endpoint: str) -> Iterator[httpx.Client]:
    """Browser without scripts, redirects followed."""
    with httpx.Client(base_url=endpoint, follow_redirects=True) as client:
        yield client


def namespace(root: str) -> str:
    """Name of the test's namespace."""
    return root.rpartition("/")[2]


@pytest.mark.parametrize(("language", "word"), [("fi", "Pyynnöt"), ("sv", "Begäranden"), ("en", "Requests")])
def test_the_list_speaks_three_languages_and_is_well_built(
    page: httpx.Client, root: str, fhir: httpx.Client, language: str, word: str
) -> None:
    """Page language, one h1, a labelled field for every input, table heads with scope, no script."""
    fhir.get("Patient/none")
    answer = page.get("/_mock/", params={"ns": namespace(root), "lang": language})
    tree = html.fromstring(answer.text)
    assert tree.get("lang") == language
    assert word in answer.text
    assert len(tree.xpath("//h1")) == 1
    assert tree.xpath("//main[@id='content']")
    assert not tree.xpath("//script")
    for field in tree.xpath("//input | //select"):
        labelled = field.xpath("ancestor::label") or tree.xpath(f"//label[@for='{field.get('id')}']")
        assert labelled, html.tostring(field)
    assert {one.get("scope") for one in tree.xpath("//th")} == {"col", "row"}
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_refusal_is_explained_at_its_place(page: httpx.Client, root: str, fhir: httpx.Client) -> None:
    """The line of the body is marked with the rule; the text says what would be right."""
    fhir.post("Observation", json={"resourceType": "Observation", "status": "final", "foo": 1})
    answer = page.get("/_mock/requests/1", params={"ns": namespace(root), "lang": "fi"})
    tree = html.fromstring(answer.text)
    assert "foo" in tree.xpath("string(//mark)")
    assert "K4104" in tree.xpath("string(//mark)")
    assert "Poista se" in answer.text
    assert tree.xpath("//a[@href='https://hl7.org/fhir/R4/observation.html']")
    assert "curl -i -X POST" in answer.text


def test_unreadable_json_is_marked_by_line(page: httpx.Client, root: str, fhir: httpx.Client) -> None:
    """Line and column of the sender's document."""
    fhir.post("CareTeam", content=b'{"resourceType":"CareTeam",\n"id":"a",\n"id":"b"}')
    tree = html.fromstring(page.get("/_mock/requests/1", params={"ns": namespace(root), "lang": "en"}).text)
    assert '"id":"b"' in tree.xpath("string(//mark)")


def test_pages_mask_identity_codes(page: httpx.Client, root: str, fhir: httpx.Client) -> None:
    """Neither list nor request shows one, nor does the escaped HTML of a hostile value run."""
    body = {"resourceType": "Patient", "identifier": [{"value": "010594Y9032"}], "language": "<b>x</b>"}
    fhir.post("Patient?identifier=010594Y9032", json=body)
    where = {"ns": namespace(root), "lang": "en"}
    shown = page.get("/_mock/", params=where).text + page.get("/_mock/requests/1", params=where).text
    assert "010594Y9032" not in shown
    assert "<b>x</b>" not in shown


def test_clock_and_faults_are_switched_by_forms(page: httpx.Client, root: str, fhir: httpx.Client) -> None:
    """Freeze, step, run; add and remove a fault; reset."""
    where = {"ns": namespace(root), "lang": "en"}
    frozen = page.post("/_mock/clock", params=where, data={"do": "freeze", "freeze": "2025-03-14T08:00:00+02:00"})
    assert "stands still at 2025-03-14T06:00:00.000Z" in frozen.text
    assert "07:00:00.000Z" in page.post("/_mock/clock", params=where, data={"do": "step", "step": "3600"}).text
    assert "The clock runs" in page.post("/_mock/clock", params=where, data={"do": "run"}).text
    added = page.post(
        "/_mock/faults", params=where, data={"kind": "status", "method": "GET", "nth": "1", "status": "429"}
    )
    assert "fault-1" in added.text
    assert fhir.get("Patient/x").status_code == 429
    assert "fitted 1, fired 1" in page.get("/_mock/", params=where).text
    assert "No faults are set" in page.post("/_mock/faults/remove", params=where, data={"name": "fault-1"}).text
    assert "No requests yet" in page.post("/_mock/reset", params=where).text


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("clock", {"do": "freeze", "freeze": "soon"}),
        ("clock", {"do": "step", "step": "far"}),
        ("faults", {"kind": "explode"}),
        ("faults", {"kind": "drop", "nth": "third"}),
        ("faults", {"kind": "drop", "path": "("}),
    ],
)
def test_a_wrong_form_says_what_to_correct(page: httpx.Client, root: str, form: str, data: dict[str, str]) -> None:
    """422 with an alert, nothing changed."""
    answer = page.post(f"/_mock/{form}", params={"ns": namespace(root), "lang": "en"}, data=data)
    assert answer.status_code == 422
    assert html.fromstring(answer.text).xpath("//*[@role='alert']")


def test_a_form_from_another_site_is_refused(page: httpx.Client, root: str) -> None:
    """A page elsewhere cannot reset the endpoint through the tester's browser."""
    headers = {"origin": "https://elsewhere.example"}
    assert page.post("/_mock/reset", params={"ns": namespace(root)}, headers=headers).status_code == 403


def test_live_refresh_is_off_until_asked_for(page: httpx.Client) -> None:
    """No page reloads by itself unless the reader wants it."""
    assert "http-equiv" not in page.get("/_mock/").text
    assert 'http-equiv="refresh"' in page.get("/_mock/?live=1").text


def test_unknown_request_and_namespace_are_404(page: httpx.Client) -> None:
    """A wrong address is no server error."""
    assert page.get("/_mock/requests/99?ns=empty").status_code == 404
    assert page.get("/_mock/?ns=NO_").status_code == 404


def test_every_word_exists_in_three_languages() -> None:
    """The catalogue of the pages is complete, and placeholders agree."""
    for key, entry in read_yaml(data_root() / "mappings" / "messages" / "mock-pages.yaml").items():
        placeholders = [set(re.findall(r"\{\w+\}", entry[language])) for language in ("fi", "sv", "en")]
        assert placeholders[0] == placeholders[1] == placeholders[2], key


def test_a_profile_is_shown_as_a_table(page: httpx.Client) -> None:
    """Elements with cardinality, value and rules; a profile that is not ours is 404."""
    answer = page.get("/_mock/profiles/kykysilta-custodian-provenance", params={"lang": "fi"})
    tree = html.fromstring(answer.text)
    rows = {
        one.xpath("string(th)"): [cell.text_content() for cell in one.xpath("td")] for one in tree.xpath("//tbody/tr")
    }
    assert rows["Provenance.agent"][0] == "..1"
    assert "CST" in str(rows)
    assert "kyk-custodian-1" in str(rows)
    assert tree.xpath("//a[@href='https://hl7.org/fhir/R4/provenance.html']")
    for wrong in ("nonsense", "..%2Fx"):
        assert page.get(f"/_mock/profiles/{wrong}").status_code == 404


def test_consent_decisions_and_scopes_are_shown() -> None:
    """The tester sees why an organisation got nothing, which the organisation itself does not."""
    from adapter.mock.client import MockClient
    from adapter.mock.serve import running_mock
    from adapter.mock.settings import ClientSettings, MockSettings
    from adapter.mock.token_client import TokenClient, make_key

    key, keys = make_key()
    clients = (ClientSettings("kela", keys, organization="urn:org|kela", purpose="urn:purpose|x"),)
    with (
        running_mock(MockSettings(port=0, auth="smart", clients=clients)) as base,
        MockClient(base.removesuffix("/fhir")) as control,
        TokenClient(base, "kela", key) as tokens,
    ):
        control.behave(policy="name: guarded\nconsent-enforced: yes\n")
        patient = {"resourceType": "Patient", "id": "p"}
        control.seed([patient, {"resourceType": "CarePlan", "id": "c", "subject": {"reference": "Patient/p"}}])
        headers = tokens.headers("system/CarePlan.r")
        assert httpx.get(f"{base}/CarePlan/c", headers=headers).status_code == 404
        number = control.journal()[-1]["number"]
        shown = httpx.get(f"{control.root}/_mock/requests/{number}", params={"lang": "en"}).text
    assert "Consent decisions" in shown
    assert "CarePlan/c" in shown
    assert "system/CarePlan.r" in shown
