"""All settings of the adapter, declared once.

Only `cli.py` and `serve.py` build a `Settings`; everybody else is handed the values needed. Values come from
arguments, the environment (`KYKYSILTA_REPOSITORY_URL=…`), then a TOML file (`kykysilta serve --config FILE`).
Secrets are `SecretStr`: they never show in a representation.
"""

from __future__ import annotations

import base64
import binascii
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

KEY_BYTES = 32


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
