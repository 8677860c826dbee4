"""Typed client of the control: the same verbs as HTTP and command line, for tests in Python."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

import httpx

from adapter.mock.assertions import Assertion, RequestFilter
from adapter.mock.effects import Verdict
from adapter.mock.fault_kinds import Kind
from adapter.mock.faults import Effect, FaultRule, FaultState, Match, When
from adapter.mock.storage import to_json
from adapter.mock.tls import CertificateKind
from adapter.types import Resource


class MockClient:
    """Controls one namespace of a running endpoint.

    Args:
        root: URL of the server, without the FHIR path, e.g. `http://127.0.0.1:8090`.
        namespace: lower-case letters, digits and hyphens.
    """

    def __init__(self, root: str = "http://127.0.0.1:8090", namespace: str = "default") -> None:
        self.root = root.rstrip("/")
        self.namespace = namespace
        prefix = "" if namespace == "default" else f"/t/{namespace}"
        self.fhir_url = f"{self.root}{prefix}/fhir"
        self._http = httpx.Client(base_url=f"{self.root}/_mock/api/{namespace}/", timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the namespace stays."""
        self._http.close()

    def namespaces(self) -> list[str]:
        """Return the names of the namespaces in use."""
        found: list[str] = self._call("GET", f"{self.root}/_mock/api").json()
        return found

    def drop(self) -> None:
        """Close and forget the namespace."""
        self._call("DELETE", f"{self.root}/_mock/api/{self.namespace}")

    def reset(self) -> None:
        """Forget all data, faults and the journal."""
        self._call("POST", "reset")

    def seed(self, resources: Iterable[Resource] | Resource) -> int:
        """Store resources with their own ids; return how many."""
        data = resources if isinstance(resources, dict) else list(resources)
        answer = self._call("POST", "seed", content=to_json(data), headers={"content-type": "application/json"})
        return int(answer.json())

    def export(self) -> bytes:
        """Return all present resources as NDJSON."""
        return self._call("GET", "export").content

    def snapshot(self, name: str = "default") -> None:
        """Remember the data under a name."""
        self._call("PUT", f"snapshots/{name}")

    def download(self, name: str = "default") -> bytes:
        """Return a snapshot as a SQLite database."""
        return b64decode(self._call("GET", f"snapshots/{name}").json())

    def restore(self, name: str = "default") -> None:
        """Go back to a snapshot."""
        self._call("POST", f"snapshots/{name}/restore")

    def freeze(self, instant: datetime | None = None) -> str:
        """Let the clock stand still, at `instant` or now; return its instant."""
        when = instant.isoformat() if instant is not None else self.now()
        return self._clock({"freeze": when})

    def step(self, seconds: float) -> str:
        """Move the clock on; return its instant."""
        return self._clock({"step": seconds})

    def run_clock(self) -> str:
        """Let the clock follow the machine's again; return its instant."""
        return self._clock({"run": True})

    def now(self) -> str:
        """Return the clock's instant."""
        return str(self._call("GET", "clock").json()["now"])

    def behaviour(self) -> dict[str, Any]:
        """Return policy, strictness and dialect."""
        found: dict[str, Any] = self._call("GET", "behaviour").json()
        return found

    def behave(
        self,
        *,
        policy: str | None = None,
        strictness: str | None = None,
        dialect: dict[str, str] | None = None,
        seed: int | None = None,
    ) -> None:
        """Change policy (name or text of a file), strictness, dialect or the seed of the server's ids."""
        given = {"policy": policy, "strictness": strictness, "dialect": dialect, "seed": seed}
        self._call("PATCH", "behaviour", json={name: value for name, value in given.items() if value is not None})

    def fault(
        self,
        kind: Kind,
        *,
        name: str = "",
        match: Match | None = None,
        when: When | None = None,
        **effect: Any,
    ) -> FaultState:
        """Add a fault rule; `effect` are the fields of `Effect` beside `kind`."""
        rule = FaultRule(name=name, match=match or Match(), when=when or When(), effect=Effect(kind=kind, **effect))
        return self.add_fault(rule)

    def add_fault(self, rule: FaultRule) -> FaultState:
        """Add a fault rule as it is."""
        answer = self._call("POST", "faults", json=rule.model_dump(mode="json"))
        return FaultState.model_validate(answer.json())

    def faults(self) -> list[FaultState]:
        """Return the rules with their counts."""
        return [FaultState.model_validate(one) for one in self._call("GET", "faults").json()]

    def remove_fault(self, name: str) -> None:
        """Remove one fault rule."""
        self._call("DELETE", f"faults/{name}")

    def clear_faults(self) -> None:
        """Remove all fault rules."""
        self._call("DELETE", "faults")

    def journal(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return the requests that fit; `wanted` are the fields of `RequestFilter`."""
        found: list[dict[str, Any]] = self._call("GET", "journal", params=_filter(wanted)).json()
        return found

    def clear_journal(self) -> None:
        """Forget the requests."""
        self._call("DELETE", "journal")

    def entry(self, number: int) -> dict[str, Any]:
        """Return one request with everything that was kept."""
        found: dict[str, Any] = self._call("GET", f"journal/{number}").json()
        return found

    def har(self, **wanted: Any) -> dict[str, Any]:
        """Return the requests that fit as an HTTP Archive."""
        found: dict[str, Any] = self._call("GET", "journal.har", params=_filter(wanted)).json()
        return found

    def curl(self, number: int) -> str:
        """Return one request as a shell command."""
        return self._call("GET", f"journal/{number}/curl").text

    def audit(self) -> dict[str, Any]:
        """Return the audit log of a policy that keeps one: `intact` and `entries`."""
        found: dict[str, Any] = self._call("GET", "audit").json()
        return found

    def judge(self, assertion: Assertion) -> Verdict:
        """Judge an expectation."""
        answer = self._call("POST", "assertions", json=assertion.model_dump(mode="json"))
        return Verdict.model_validate(answer.json())

    def assert_count(self, exactly: int, **wanted: Any) -> None:
        """Fail unless so many requests fit."""
        self._hold(Assertion(kind="count", exactly=exactly, requests=RequestFilter(**wanted)))

    def assert_never(self, **wanted: Any) -> None:
        """Fail when any request fits."""
        self._hold(Assertion(kind="never", requests=RequestFilter(**wanted)))

    def assert_sequence(self, *steps: RequestFilter) -> None:
        """Fail unless such requests came in this order."""
        self._hold(Assertion(kind="sequence", sequence=list(steps)))

    def assert_stored_once(self, resource_type: str, identifier: str, *, posted: int | None = None) -> None:
        """Fail unless exactly one resource has the identifier (`system|value`), however often it was sent."""
        self._hold(Assertion(kind="stored-once", resource_type=resource_type, identifier=identifier, posted=posted))

    def assert_retry_spacing(self, *, jittered: bool = False, **wanted: Any) -> None:
        """Fail unless retries waited as long as Retry-After asked."""
        self._hold(Assertion(kind="retry-spacing", jittered=jittered, requests=RequestFilter(**wanted)))

    def assert_no_duplicates(self) -> None:
        """Fail when one identifier stands on two resources of a type."""
        self._hold(Assertion(kind="no-duplicates"))

    def register_client(
        self,
        name: str,
        keys: str,
        *,
        scopes: str = "",
        certificate: str = "",
        organization: str = "",
        purpose: str = "",
    ) -> None:
        """Register a client or replace one; `keys` is a JWKS as JSON text or its URL."""
        given = {"id": name, "keys": keys, "scopes": scopes, "certificate": certificate}
        self._call("POST", "clients", json=given | {"organization": organization, "purpose": purpose})

    def revoke_token(self, token_id: str) -> None:
        """Refuse a token from now on, by its `jti`."""
        self._call("POST", f"tokens/{token_id}/revoke")

    def issue_certificate(
        self, name: str, *, kind: CertificateKind = "server", days: int | None = None, starts: int = 0
    ) -> str:
        """Issue a certificate into the endpoint's folder; return its `x5t#S256`."""
        wanted = {"kind": kind, "days": days, "starts": starts}
        answer = self._call("POST", f"{self.root}/_mock/api/certificates/{name}", json=wanted)
        return str(answer.json()["thumbprint"])

    def revoke_certificate(self, name: str) -> None:
        """Revoke a certificate: connections made from now on are refused."""
        self._call("POST", f"{self.root}/_mock/api/certificates/{name}/revoke")

    def refused_handshakes(self) -> list[dict[str, str]]:
        """Return the TLS handshakes that were refused, with the reason."""
        found: list[dict[str, str]] = self._call("GET", f"{self.root}/_mock/api/certificates").json()
        return found

    def record(self, upstream: str) -> None:
        """Send the requests that come on to a sandbox (its FHIR base), and keep them with their answers."""
        self._call("PUT", "recording", json={"mode": "record", "upstream": upstream})

    def replay(self, archive: bytes | None = None) -> int:
        """Answer from the recording, or from that of an HTTP Archive; return the number of exchanges."""
        if archive is not None:
            self._call("PUT", "recording.har", content=archive, headers={"content-type": "application/json"})
        return int(self._call("PUT", "recording", json={"mode": "replay"}).json()["exchanges"])

    def stop_recording(self) -> None:
        """Answer from the own store again; the recording stays."""
        self._call("PUT", "recording", json={"mode": "off"})

    def recording(self) -> dict[str, Any]:
        """Return mode, upstream and number of exchanges."""
        found: dict[str, Any] = self._call("GET", "recording").json()
        return found

    def recorded(self) -> bytes:
        """Return the recording as an HTTP Archive."""
        return self._call("GET", "recording.har").content

    def scenario(self, text: str) -> int:
        """Begin a scenario; return the number of resources stored."""
        return int(self._call("POST", "scenario", json={"text": text}).json())

    def _hold(self, assertion: Assertion) -> None:
        verdict = self.judge(assertion)
        if not verdict.ok:
            raise AssertionError(f"{assertion.kind}: {verdict.text}")

    def _clock(self, change: dict[str, Any]) -> str:
        return str(self._call("POST", "clock", json=change).json()["now"])

    def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = self._http.request(method, path, **more)
        if answer.is_error:
            raise ValueError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer


def _filter(wanted: dict[str, Any]) -> dict[str, Any]:
    return RequestFilter(**wanted).model_dump(exclude_defaults=True)
