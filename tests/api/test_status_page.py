"""The status page shows how it goes in pictures, in three languages, to operators alone."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter.client import AdapterClient
from adapter.delivery.overview import MINUTES
from adapter.serve import adapter_app, in_background, load_settings
from tests.api.conftest import Wait, record


def test_what_arrived_is_pictured(client: httpx.Client, wait: Wait) -> None:
    """States with counts and bars, the last hour's curves, and nothing that names a person."""
    wait(client.post("/v1/records", content=record("client")).json()["id"])
    page = client.get("/status?lang=fi")
    assert page.status_code == 200
    assert '<html lang="fi">' in page.text
    assert "toimitettu" in page.text
    assert page.text.count("<polyline") == 2
    assert len(re.search(r'delivered-line" points="([^"]*)"', page.text)[1].split()) == MINUTES  # type: ignore[index]
    assert '<rect class="delivered" width="100.0"' in page.text
    assert "080885" not in page.text


@pytest.mark.parametrize(
    ("language", "title"), [("fi", "Adapterin tila"), ("sv", "Adapterns tillstånd"), ("en", "State of")]
)
def test_the_page_speaks_three_languages(client: httpx.Client, language: str, title: str) -> None:
    """By the address, else by the browser."""
    assert title in client.get("/status", params={"lang": language}).text
    assert title in client.get("/status", headers={"Accept-Language": language}).text


def test_the_page_needs_nothing_from_elsewhere(client: httpx.Client) -> None:
    """No script, no address of another host; the policy lets only its own style in."""
    page = client.get("/status")
    outside = re.findall(r"https?://[^\s<\"]+", page.text.replace("http://127.0.0.1", ""))
    assert outside == []
    assert "<script" not in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "Refresh" not in page.headers
    assert client.get("/status?every=10").headers["Refresh"] == "10"
    for nonsense in ("0", "1", "99999", "10;url=http://evil.example", "٣٣", "x", ""):
        assert "Refresh" not in client.get("/status", params={"every": nonsense}).headers


def test_an_absent_repository_is_seen(tmp_path: Path) -> None:
    """Lanes with their ages, the last errors with their causes, and the pause of the repository."""
    settings = load_settings(
        database=f"sqlite:///{tmp_path / 'k.sqlite'}", repository_url="http://127.0.0.1:9/fhir", demo=True
    )
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url, AdapterClient(url) as adapter:
        submission = adapter.send(record("client")).id
        until = time.monotonic() + 20
        while adapter.status(submission).state != "waiting" and time.monotonic() < until:
            time.sleep(0.05)
        page = httpx.get(f"{url}/status?lang=en").text
    assert "1 open lanes" in page
    assert "ConnectError" in page
    assert "failed tries in a row" in page or "asked again in" in page
    assert '<rect class="waiting"' in page


def test_the_page_is_for_operators(repository: str, tmp_path: Path) -> None:
    """From another network it does not exist."""
    settings = load_settings(
        database=f"sqlite:///{tmp_path / 'k.sqlite'}",
        repository_url=repository,
        demo=True,
        operator_networks=["10.0.0.0/8"],
    )
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url:
        assert httpx.get(f"{url}/status").status_code == 404


@pytest.mark.chromium
def test_the_page_is_accessible(client: httpx.Client, wait: Wait) -> None:
    """axe finds nothing to mend."""
    sync_api: Any = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    axe: Any = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        pytest.skip("Debian's Chromium is not installed")
    wait(client.post("/v1/records", content=record("client")).json()["id"])
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        page = browser.new_page(bypass_csp=True)
        page.goto(f"{client.base_url}/status?lang=fi")
        found = axe.Axe().run(page)
        browser.close()
    assert found.violations_count == 0, found.generate_report()
