"""All settings of the adapter, declared once.

Only `cli` and `serve.py` build a `Settings`; everybody else is handed the values needed. Values come from
arguments, the environment (`KYKYSILTA_REPOSITORY_URL=…`), a folder of secrets, then a TOML file
(`kykysilta serve --config FILE`). Secrets are `SecretStr`: they never show in a representation.
`docs/configuration.md` is made from this file.
"""

from __future__ import annotations

import base64
import binascii
from ipaddress import IPv4Network, IPv6Network
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FilePath, SecretStr, StringConstraints, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

KEY_BYTES = 32
HTTP_URL = r"^(https?://[^\s/?#@]+[^\s?#@]*)?$"
HTTPS_URL = r"^(https://[^\s/?#@]+[^\s?#@]*|http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?(/[^\s?#@]*)?)?$"
DATABASE_URL = r"^(sqlite|postgresql(\+psycopg)?)://"
Oid = Annotated[str, StringConstraints(pattern=r"^[0-2](\.(0|[1-9][0-9]*))+$")]
OrganisationId = Annotated[
    str, StringConstraints(pattern=r"^([0-2](\.(0|[1-9][0-9]*))+|[0-9]{7}-[0-9]|[^\s|]+\|[^\s|]([^|]*[^\s|])?)$")
]
"""An organisation as records name it: OID, Y-tunnus, or `system|id` for an identifier of a system of its own."""


class Part(BaseModel):
    """A group of settings; a name that does not belong to it is an error."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


class Signing(Part):
    """The key that signs every Bundle; without it Bundles go out unsigned."""

    key_file: FilePath
    """PEM private key; replaced while running it is used at once. RSA signs RS512, EC ES256 or ES384."""

    key_id: str = ""
    """Names the key to verifiers; by default its RFC 7638 thumbprint."""

    certificate_file: FilePath | None = None
    """PEM chain, the signer's certificate first; sent as `x5c`."""

    organisation: Oid
    """OID of the organisation that signs (`Signature.who`)."""


class BackendClient(Part):
    """How this adapter proves who it is at the repository (SMART Backend Services)."""

    client_id: str = Field(min_length=1)
    """As registered at the repository."""

    key_file: FilePath
    """PEM private key, RSA (RS384) or EC on P-384 (ES384); replaced while running it is used at once."""

    key_id: str = ""
    """Names the key in the registered key set; by default its RFC 7638 thumbprint."""

    scopes: str = "system/*.cruds"
    """What to ask for."""

    token_url: str = Field("", pattern=HTTP_URL)
    """The token endpoint when it is on another host than the repository; empty discovers it there."""


class ClientCertificate(Part):
    """The TLS certificate shown to the repository (mTLS)."""

    certificate_file: FilePath
    """PEM."""

    key_file: FilePath
    """PEM."""


class ServerCertificate(Part):
    """The TLS certificate that the vendor API shows; without it the API speaks plain HTTP."""

    certificate_file: FilePath
    """PEM chain, the server's certificate first."""

    key_file: FilePath
    """PEM."""


class ApiClient(Part):
    """A system that may call the vendor API. It has keys, a certificate, or both; then both are needed."""

    jwks_file: FilePath | None = None
    """Its public keys as a JSON Web Key Set: it proves itself by private_key_jwt."""

    jwks_url: str = Field("", pattern=HTTPS_URL)
    """Where it publishes its public keys instead (https)."""

    certificate_file: FilePath | None = None
    """PEM with its TLS certificate; two while the old one is being replaced. Needs `tls`."""

    custodians: list[OrganisationId] = Field(min_length=1)
    """OIDs of the controllers (rekisterinpitäjä) whose records it may hand over, and in whose name it may fetch.
    An organisation without an OID fetches by its Y-tunnus (`0246246-0`) or by `system|id`, as records name it."""

    scopes: str = "system/Bundle.crs"
    """What it may do: `c` hand over, `r` look at its own submissions, `s` search them."""

    requests_per_second: float | None = Field(None, gt=0)
    """Its own limit in place of the general one."""


class OpenIdLogin(Part):
    """The organisation's own log-in for the reviewer's pages (OpenID Connect, code flow with PKCE)."""

    issuer: str = Field(pattern=HTTP_URL, min_length=1)
    """Of the provider; https, or http on this machine."""

    client_id: str = Field(min_length=1)
    """As registered at the provider, with the address `…/review/openid/callback`."""

    client_secret: SecretStr | None = None
    """As registered at the provider; without it the client is public."""

    scopes: str = "openid profile"
    """What to ask for."""

    role_claim: str = "roles"
    """Claim that lists the person's roles."""

    reviewer_role: str = "kykysilta-reviewer"
    """Who has this role opens clients."""

    auditor_role: str = "kykysilta-auditor"
    """Who has this role reads the log and no client's data."""

    custodian_claim: str = "custodians"
    """Claim that lists the OIDs of the controllers whose clients the person sees."""


class Settings(BaseSettings):
    """What a running adapter needs to know."""

    model_config = SettingsConfigDict(
        env_prefix="KYKYSILTA_",
        env_nested_delimiter="__",
        extra="forbid",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    host: str = "127.0.0.1"
    """Where the vendor API listens; only loopback unless told otherwise."""

    port: int = Field(8080, ge=0, le=65535)
    """Where the vendor API listens; 0 takes a free port."""

    public_url: str = Field("", pattern=HTTP_URL)
    """Address under which callers know the vendor API; by default made of host and port."""

    tls: ServerCertificate | None = None
    """The certificate of the vendor API."""

    clients: dict[str, ApiClient] = {}
    """The systems that may call the vendor API, by client id. None is needed with `demo`: then loopback may call."""

    token_key: SecretStr | None = None
    """32 bytes, base64: signs the tokens of `/v1/token`. By default new at each start; processes that share callers
    share the key."""

    operator_networks: list[IPv4Network | IPv6Network] = [IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")]
    """From where `/metrics` and `/status` may be read."""

    requests_per_second: float = Field(200.0, gt=0)
    """How fast one client may call; more is answered with 429 and `Retry-After`."""

    burst: int = Field(1000, ge=1)
    """How many requests a client may make at once before the limit is felt."""

    body_seconds: float = Field(30.0, gt=0)
    """A request must be complete by then, and a batch may not pause for longer."""

    idempotency_hours: float = Field(48.0, ge=24)
    """How long an `Idempotency-Key` is remembered."""

    repository_url: str = Field("http://127.0.0.1:8090/fhir", pattern=HTTP_URL, min_length=1)
    """FHIR base URL of the receiving repository."""

    database: str = Field("sqlite:///kykysilta.sqlite", pattern=DATABASE_URL)
    """SQLAlchemy URL: `sqlite:///FILE` or `postgresql+psycopg://…`."""

    id_key: SecretStr | None = None
    """32 bytes, base64: keys the deterministic ids and look-ups. It never rotates; keep a copy in a safe place."""

    storage_keys: dict[str, SecretStr] = {}
    """Key id to 32 bytes in base64, for encryption at rest. The first one encrypts, the others still decrypt."""

    language: Literal["fi", "sv", "en"] = "fi"
    """Of what the commands say; `--lang` goes before it."""

    supporting: Literal["entries", "contained"] = "entries"
    """Whether supporting resources travel as Bundle entries or `contained`."""

    max_entries: int = Field(500, ge=1)
    """Bundles with more entries are refused at acceptance."""

    signing: Signing | None = None
    """The key that signs every Bundle."""

    backend_client: BackendClient | None = None
    """How this adapter gets tokens from the repository."""

    client_certificate: ClientCertificate | None = None
    """The TLS certificate shown to the repository."""

    road_client: str = Field("", pattern=r"^([!-~]{1,200})?$")
    """`X-Road-Client` of every request, when the repository is reached over the service bus (Palveluväylä)."""

    trusted_authorities: FilePath | None = None
    """PEM file of the authorities that may vouch for the repository; by default the machine's."""

    audit_key_file: FilePath | None = None
    """PEM Ed25519 private key that signs a checkpoint of the audit log every hour and at the end."""

    openid: OpenIdLogin | None = None
    """The organisation's log-in for the reviewer's pages; by default only local accounts (`kykysilta accounts`)."""

    four_eyes_clients: int = Field(10, ge=0)
    """An export of the reviewer's pages about more clients than this waits for a second reviewer."""

    staff_register: FilePath | None = None
    """CSV file of the staff (columns system, id, name, street, postal_code): finds look-ups at one's own address."""

    lease_seconds: float = Field(30.0, ge=1)
    """A message of a worker that is silent for so long is taken over."""

    delivery_timeout: float = Field(30.0, gt=0)
    """Seconds to wait for the repository's answer."""

    workers: int = Field(8, ge=0, le=64)
    """Threads of `kykysilta serve` that deliver; 0 when `kykysilta outbox work` does it in a process of its own."""

    retention_days: int = Field(30, ge=0)
    """Bodies are deleted this many days after the receipt."""

    log_retention_years: int = Field(12, ge=1)
    """`kykysilta audit erase --expired` makes persons unreadable in the log this long after their last entry."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important log lines that are written."""

    tracing_url: str = Field("", pattern=HTTP_URL)
    """OpenTelemetry collector (OTLP over HTTP) that gets traces; empty sends none. Needs the extra `otel`."""

    demo: bool = False
    """Published keys and loopback callers without a token are allowed. For trying out only."""

    @field_validator("id_key", "token_key")
    @classmethod
    def _key_is_strong(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            key_bytes(value)
        return value

    @field_validator("storage_keys")
    @classmethod
    def _storage_keys_are_strong(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for key in value.values():
            key_bytes(key)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic names it
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, it over the secrets, they over the TOML file (`toml_file`)."""
        return (init_settings, env_settings, file_secret_settings, TomlConfigSettingsSource(settings_cls))


def _is_regular(key: bytes) -> bool:
    """Say whether a key goes up or down by one step all the time, or is a shorter one again and again."""
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    return len(steps) == 1 or key in (key[:8] * 4, key[:16] * 2)


def key_bytes(value: SecretStr) -> bytes:
    """Return the 32 bytes of a base64 key.

    Raises:
        PydanticCustomError: a ValueError: not base64, not 32 bytes long, or regular.
    """
    try:
        key = base64.b64decode(value.get_secret_value(), validate=True)
    except binascii.Error:
        raise PydanticCustomError("key_encoding", "the key is not base64") from None
    if len(key) != KEY_BYTES:
        raise PydanticCustomError("key_length", "the key is not of {needed} bytes", {"needed": KEY_BYTES})
    if len(set(key)) < 8 or _is_regular(key):
        raise PydanticCustomError("key_regular", "the key is too regular to be random")
    return key
