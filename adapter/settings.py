"""All settings of the adapter, declared once.

Only `cli.py` and `serve.py` build a `Settings`; everybody else is handed the values needed. Values come from
arguments, the environment (`KYKYSILTA_REPOSITORY_URL=…`), then a TOML file (`kykysilta serve --config FILE`).
Secrets are `SecretStr`: they never show in a representation.
"""

from __future__ import annotations

import base64
import binascii
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FilePath, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

KEY_BYTES = 32


class Signing(BaseModel):
    """The key that signs every Bundle; without it Bundles go out unsigned.

    Attributes:
        key_file: PEM private key; replaced while running it is used at once. RSA signs RS512, EC ES256 or ES384.
        key_id: names it to verifiers; by default its RFC 7638 thumbprint.
        certificate_file: PEM chain, the signer's certificate first; sent as `x5c`.
        organisation: OID of the organisation that signs (`Signature.who`).
    """

    model_config = ConfigDict(extra="forbid")

    key_file: FilePath
    key_id: str = ""
    certificate_file: FilePath | None = None
    organisation: str = Field(pattern=r"^[0-2](\.(0|[1-9][0-9]*))+$")


class BackendClient(BaseModel):
    """How this adapter proves who it is at the repository (SMART Backend Services).

    Attributes:
        client_id: as registered at the repository.
        key_file: PEM private key, RSA (RS384) or EC on P-384 (ES384); replaced while running it is used at once.
        key_id: names it in the registered key set; by default its RFC 7638 thumbprint.
        scopes: what to ask for.
        token_url: the token endpoint when it is on another host than the repository; empty discovers it there.
    """

    model_config = ConfigDict(extra="forbid")

    client_id: str = Field(min_length=1)
    key_file: FilePath
    key_id: str = ""
    scopes: str = "system/*.cruds"
    token_url: str = ""


class ClientCertificate(BaseModel):
    """The TLS certificate shown to the repository (mTLS).

    Attributes:
        certificate_file, key_file: PEM.
    """

    model_config = ConfigDict(extra="forbid")

    certificate_file: FilePath
    key_file: FilePath


class Settings(BaseSettings):
    """What a running adapter needs to know.

    Attributes:
        host, port: where the vendor API listens; only loopback unless told otherwise.
        repository_url: FHIR base URL of the receiving repository.
        database: SQLAlchemy URL; SQLite file by default.
        id_key: 32 bytes, base64; keys the deterministic ids and look-ups. Never rotates (design §4).
        storage_keys: key id to 32 bytes base64, for encryption at rest; the first one encrypts.
        language: of texts for people where the caller names none.
        supporting: whether supporting resources travel as Bundle entries or `contained`.
        max_entries: Bundles with more entries are refused at acceptance.
        signing, backend_client, client_certificate: see there; each None = not used.
        trusted_authorities: PEM file of the authorities that may vouch for the repository; None = the machine's.
        audit_key_file: PEM Ed25519 private key that signs a checkpoint of the audit log every hour and at the end.
        lease_seconds: a message of a worker that is silent for so long is taken over.
        delivery_timeout: seconds to wait for the repository's answer.
        workers: threads that deliver.
        retention_days: bodies are deleted this many days after the receipt.
        demo: demo keys are allowed, nothing else changes.
    """

    model_config = SettingsConfigDict(env_prefix="KYKYSILTA_", env_nested_delimiter="__", extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    repository_url: str = "http://127.0.0.1:8090/fhir"
    database: str = "sqlite:///kykysilta.sqlite"
    id_key: SecretStr | None = None
    storage_keys: dict[str, SecretStr] = {}
    language: Literal["fi", "sv", "en"] = "fi"
    supporting: Literal["entries", "contained"] = "entries"
    max_entries: int = Field(500, ge=1)
    signing: Signing | None = None
    backend_client: BackendClient | None = None
    client_certificate: ClientCertificate | None = None
    trusted_authorities: FilePath | None = None
    audit_key_file: FilePath | None = None
    lease_seconds: float = Field(30.0, ge=1)
    delivery_timeout: float = Field(30.0, gt=0)
    workers: int = Field(2, ge=1, le=64)
    retention_days: int = Field(30, ge=0)
    demo: bool = False

    @field_validator("id_key")
    @classmethod
    def _id_key_is_strong(cls, value: SecretStr | None) -> SecretStr | None:
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
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic names it
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, the environment over the file (`toml_file` of the model config)."""
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))


def key_bytes(value: SecretStr) -> bytes:
    """Return the 32 bytes of a base64 key.

    Raises:
        ValueError: not base64, not 32 bytes long, or made of one repeated byte.
    """
    try:
        key = base64.b64decode(value.get_secret_value(), validate=True)
    except binascii.Error:
        raise ValueError("the key is not base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"the key has {len(key)} bytes, {KEY_BYTES} are needed: openssl rand -base64 {KEY_BYTES}")
    if len(set(key)) < 8:
        raise ValueError("the key is too regular to be random")
    return key
