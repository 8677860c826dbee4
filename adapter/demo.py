"""The main job on one machine: mock repository and adapter on loopback, with a database and keys made for one run."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from adapter.data import data_root
from adapter.serve import adapter_app, in_background, load_settings
from adapter.types import Record

DEMO_ORGANISATION = "1.2.246.10.32213086.10.0"
"""Organisation of the scenarios."""

DEMO_REVIEWER = "tietosuojavastaava"


def _when_recorded(record: Record) -> float:
    """The scenarios happened years ago; each record is judged as on the day when it was recorded."""
    return datetime.fromisoformat(record["recorded_at"]).timestamp()


def _demo_custodians() -> set[str]:
    """The controllers of the scenarios' records: the demo's reviewer sees the clients of all of them."""
    records = (data_root() / "fixtures" / "scenarios").glob("SCN-*/records/*.json")
    read = (json.loads(path.read_bytes()) for path in records if path.name.count(".") == 1)
    return {record["custodian"]["id"] for record in read}


def _demo_signing(folder: Path) -> dict[str, str]:
    """Make a signing key for this run alone, and a policy whose repository refuses what it did not sign."""
    from adapter.security.certificates import Authority

    now = datetime.now(UTC)
    authority = Authority.create("Kykysilta demo CA", now)
    issued = authority.issue("Kykysilta demo", "signature", now)
    (folder / "authority.pem").write_bytes(authority.root.certificate_pem)
    (folder / "signing.pem").write_bytes(issued.certificate_pem)
    (folder / "signing.key.pem").write_bytes(issued.private_key_pem)
    (folder / "policy.yaml").write_text("name: demo\ntypes: all\nsigned: [Patient]\n", encoding="utf-8")
    return {
        "key_file": str(folder / "signing.key.pem"),
        "certificate_file": str(folder / "signing.pem"),
        "organisation": DEMO_ORGANISATION,
    }


@contextlib.contextmanager
def demo(port: int, mock_port: int, *, reviewer_password: str = "") -> Iterator[tuple[str, str]]:
    """Run mock and adapter on loopback with a database of their own; yields both base URLs.

    Args:
        reviewer_password: of the demo's reviewer (`DEMO_REVIEWER`); empty creates none.
    """
    from adapter.mock.app import create_app
    from adapter.mock.settings import MockSettings
    from adapter.review import create_reviewer
    from adapter.store import Database

    with tempfile.TemporaryDirectory(prefix="kykysilta-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        signing = _demo_signing(folder)
        trusting = MockSettings(policy=str(folder / "policy.yaml"), trusted=str(folder / "authority.pem"))
        mock = stack.enter_context(in_background(create_app(trusting), "127.0.0.1", mock_port))
        settings = load_settings(
            database=f"sqlite:///{folder / 'kykysilta.sqlite'}",
            repository_url=f"{mock}/fhir",
            signing=signing,
            demo=True,
            port=port,
        )
        if reviewer_password:
            accounts = Database(settings.database)
            create_reviewer(accounts, DEMO_REVIEWER, reviewer_password, custodians=_demo_custodians(), at=time.time())
            accounts.close()
        with in_background(adapter_app(settings, judged_at=_when_recorded), "127.0.0.1", port) as adapter:
            yield adapter, mock
