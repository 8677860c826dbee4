"""What a tester may set when the endpoint starts. Declared here, read by the command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Strictness = Literal["lenient", "national", "strict"]
"""lenient: structure only; national: as the repository; strict: warnings refuse too."""


Auth = Literal["open", "smart", "mtls"]
"""open: no tokens; smart: SMART Backend Services; mtls: the same over mutual TLS."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """A registered client.

    Attributes:
        keys: JWKS as JSON text, path of a file, or URL.
        scopes: what it may ask for; empty means `system/*.cruds`.
        certificate: `x5t#S256` of its TLS certificate, or empty.
        organization: identifier `system|value` of the organisation that it acts for.
        purpose: `system|code` of the purpose assumed when the assertion states none.
    """

    id: str
    keys: str
    scopes: str = ""
    certificate: str = ""
    organization: str = ""
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class MockSettings:
    """Settings of one endpoint.

    Attributes:
        host, port: where it listens; only loopback unless told otherwise.
        base_path: path of the FHIR base below the host.
        data: folder of the databases, or `memory`.
        seed: number from which server ids are drawn; None draws them from the system.
        clock: instant at which the clock of every namespace stands frozen; None lets it run.
        strictness: see `Strictness`; a strict R4 server unless told otherwise.
        policy: name of a packaged policy or path of a policy file.
        auth, clients: see `Auth` and `ClientSettings`.
        certificates: folder into which the test CA writes certificates and keys (mtls).
        control_port: plain HTTP port of control and page beside mutual TLS; None takes the next after `port`.
        trusted: PEM file of the authorities whose signing certificates are trusted.
        journal_size: requests that a namespace remembers.
        public_url: absolute URL of the FHIR base when a proxy stands before; empty means as the caller sees it.
    """

    host: str = "127.0.0.1"
    port: int = 8090
    base_path: str = "/fhir"
    data: str = "memory"
    seed: int | None = None
    clock: datetime | None = None
    strictness: Strictness = "national"
    policy: str = "open"
    journal_size: int = 5000
    public_url: str = ""
    auth: Auth = "open"
    clients: tuple[ClientSettings, ...] = ()
    certificates: str = ""
    control_port: int | None = None
    trusted: str = ""
