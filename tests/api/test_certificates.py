"""The end of a certificate is announced a month ahead, where operators look."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from adapter.security.certificates import Authority
from adapter.serve import adapter_app, in_background, load_settings


@pytest.mark.parametrize(("days", "told"), [(10, {"signing": 9}), (60, None)])
def test_a_certificate_that_ends_soon_is_told(tmp_path: Path, days: int, told: dict[str, int] | None) -> None:
    """Readiness names those of the last 30 days, the metrics the days of every one; a new file counts at once."""
    now = datetime.now(UTC)
    issued = Authority.create("CA", now).issue("Adapter", "signature", now, days=days)
    (tmp_path / "signing.pem").write_bytes(issued.certificate_pem)
    (tmp_path / "signing.key").write_bytes(issued.private_key_pem)
    signing = {
        "key_file": str(tmp_path / "signing.key"),
        "certificate_file": str(tmp_path / "signing.pem"),
        "organisation": "1.2.246.10.1",
    }
    settings = load_settings(database=f"sqlite:///{tmp_path / 'k.sqlite'}", signing=signing, demo=True)
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url:
        ready = httpx.get(f"{url}/readyz")
        metrics = httpx.get(f"{url}/metrics").text
        issued = Authority.create("CA", now).issue("Adapter", "signature", now, days=20)
        (tmp_path / "signing.pem").write_bytes(issued.certificate_pem)
        renewed = httpx.get(f"{url}/readyz").json()
    assert ready.status_code == 200
    assert ready.json().get("certificates_end_in_days") == told
    assert renewed["certificates_end_in_days"] == {"signing": 19}
    (left,) = re.findall(r'kykysilta_certificate_days_left\{name="signing"\} ([0-9.]+)', metrics)
    assert days - 1 < float(left) <= days
