"""The pages in a real browser: keyboard, without JavaScript, narrow and dark, and no accessibility violation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.chromium, pytest.mark.filterwarnings("ignore")]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture
def namespace(root: str, fhir: httpx.Client, patient: dict[str, Any]) -> str:
    """A namespace with a success, a refusal and a broken answer in its journal."""
    fhir.post("Observation", json={"resourceType": "Observation", "status": "final", "foo": 1})
    fhir.get("Patient", params={"birthdate": "soon"})
    name = root.rpartition("/")[2]
    control = f"{root.partition('/t/')[0]}/_mock/api/{name}/faults"
    httpx.post(control, json={"name": "lost", "effect": {"kind": "drop", "commit": True}}).raise_for_status()
    with pytest.raises(httpx.TransportError):
        fhir.post("Patient", json=patient)
    return name


def show(chromium: Any, **options: Any) -> Any:
    """A new window without JavaScript unless told otherwise."""
    return chromium.new_context(**({"viewport": WIDE, "java_script_enabled": False} | options)).new_page()


def picture(page: Any, name: str) -> None:
    """Keep a screenshot where KYKYSILTA_SCREENSHOTS says, for people to look at."""
    folder = os.environ.get("KYKYSILTA_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"mock-{name}.png"), full_page=True)


@pytest.mark.parametrize(("language", "scheme"), [("fi", "light"), ("sv", "dark"), ("en", "light"), ("fi", "dark")])
def test_no_accessibility_violation(chromium: Any, endpoint: str, namespace: str, language: str, scheme: str) -> None:
    """WCAG 2.1 A and AA by axe-core: list and request, three languages, light and dark."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install .[clients]").Axe()
    rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}
    page = show(chromium, java_script_enabled=True, color_scheme=scheme, bypass_csp=True)
    for path in ("", "requests/2", "profiles/kykysilta-work-ability-plan"):
        page.goto(f"{endpoint}/_mock/{path}?ns={namespace}&lang={language}")
        found = axe.run(page, options=rules).response["violations"]
        assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []
        picture(page, f"{path.replace('/', '-') or 'list'}-{language}-{scheme}")
    page.context.close()


def test_a_narrow_screen_scrolls_only_inside_the_table(chromium: Any, endpoint: str, namespace: str) -> None:
    """The page itself never scrolls sideways (WCAG 1.4.10); the table does."""
    page = show(chromium, viewport=NARROW, java_script_enabled=True)
    for path in ("", "requests/2", "profiles/kykysilta-consent"):
        page.goto(f"{endpoint}/_mock/{path}?ns={namespace}&lang=fi")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        picture(page, f"{path.replace('/', '-') or 'list'}-narrow")
    page.context.close()


def test_a_refusal_is_found_by_keyboard(chromium: Any, endpoint: str, namespace: str) -> None:
    """Skip link first; then to the refused request, whose body shows the place, without a mouse or a script."""
    page = show(chromium)
    page.goto(f"{endpoint}/_mock/?ns={namespace}&lang=en")
    page.keyboard.press("Tab")
    assert page.locator(":focus").get_attribute("href") == "#content"
    for _ in range(40):
        page.keyboard.press("Tab")
        if "/requests/2" in (page.locator(":focus").get_attribute("href") or ""):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/requests/2**")
    assert '"foo"' in page.locator("mark").first.inner_text()
    page.context.close()


def test_a_fault_and_the_clock_are_switched_without_javascript(
    chromium: Any, endpoint: str, namespace: str, fhir: httpx.Client
) -> None:
    """Forms that a tester fills in: remove the fault that is set, add another, freeze the clock."""
    page = show(chromium)
    page.goto(f"{endpoint}/_mock/?ns={namespace}&lang=en")
    page.get_by_role("button", name="Remove lost").click()
    page.get_by_label("What goes wrong").select_option("status")
    page.get_by_label("Method").fill("GET")
    page.get_by_role("button", name="Add").click()
    assert fhir.get("metadata").status_code == 503
    page.get_by_label("Freeze at").fill("2025-03-14T08:00:00+02:00")
    page.get_by_role("button", name="Freeze").click()
    assert "stands still at 2025-03-14T06:00" in page.locator("main").inner_text()
    picture(page, "switched")
    page.context.close()


def test_a_duplicate_is_told_and_its_requests_are_a_key_away(chromium: Any, endpoint: str, namespace: str) -> None:
    """The lost answer stored a patient that was there already; the page says so and leads to both requests."""
    page = show(chromium)
    page.goto(f"{endpoint}/_mock/?ns={namespace}&lang=en")
    told = page.get_by_role("region", name="Duplicates were made")
    assert "Patient: 2 resources carry the same identifier" in told.inner_text()
    assert "If-None-Exist" in told.inner_text()
    for _ in range(60):
        page.keyboard.press("Tab")
        if "/requests/4" in (page.locator(":focus").get_attribute("href") or ""):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/requests/4**")
    assert "It was stored, and only then" in page.locator("main").inner_text()
    assert page.get_by_role("heading", name="The answer, which did not get through whole").is_visible()
    picture(page, "duplicate")
    page.context.close()


def test_from_a_refusal_to_its_profile(chromium: Any, endpoint: str, root: str, fhir: httpx.Client) -> None:
    """The link of a refusal shows what the profile asks, in the page's language."""
    profile = "https://kykysilta.example/fhir/StructureDefinition/kykysilta-work-ability-plan"
    name = root.rpartition("/")[2]
    httpx.patch(f"{endpoint}/_mock/api/{name}/behaviour", json={"strictness": "national"}).raise_for_status()
    fhir.post("CarePlan", json={"resourceType": "CarePlan", "meta": {"profile": [profile]}})
    page = show(chromium)
    page.goto(f"{endpoint}/_mock/requests/1?ns={name}&lang=sv")
    page.get_by_role("link", name=profile).first.click()
    assert "Profil: Työkyvyn tuen suunnitelma" in page.locator("h2").first.inner_text()
    assert "CarePlan.meta.tag" in page.locator("table").inner_text()
    picture(page, "profile")
    page.context.close()
