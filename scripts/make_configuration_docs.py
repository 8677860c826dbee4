"""Writes docs/configuration.md from the settings: run it after a change of `adapter/settings.py`."""

from __future__ import annotations

import sys
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from adapter.settings import Settings

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
HEAD = """# Settings

`kykysilta serve --config kykysilta.toml` reads, the first one that says something wins:

1. the environment: `KYKYSILTA_` and the name in capitals; parts of a group with two underscores
   (`KYKYSILTA_SIGNING__KEY_FILE`), lists and tables as JSON;
2. files in the folder `$CREDENTIALS_DIRECTORY`, one a setting, e.g. `kykysilta_id_key` (systemd `LoadCredential=`,
   container secrets);
3. the TOML file.

`kykysilta config check --config kykysilta.toml` says what is wrong, in which line or variable, and what is unwise. It
exits with 1 when the adapter would not start, or one of its certificates is not valid now. Keys are made with
`openssl rand -base64 32`; each key serves one use.

```toml
# kykysilta.toml: an adapter of one organisation with two vendors
host = "0.0.0.0"
public_url = "https://adapter.example"
repository_url = "https://repository.example/fhir"
database = "postgresql+psycopg://kykysilta@db.example/kykysilta"
# id_key, token_key and storage_keys come from the environment or from files of secrets

[tls]
certificate_file = "/etc/kykysilta/api.pem"
key_file = "/etc/kykysilta/secrets/api.key.pem"

[clients.vendor-a]                          # proves itself by signed assertions (private_key_jwt)
jwks_url = "https://vendor-a.example/.well-known/jwks.json"
custodians = ["1.2.246.10.32213086.10.0"]   # whose records it may hand over

[clients.vendor-b]                          # proves itself by its TLS certificate
certificate_file = "/etc/kykysilta/vendor-b.pem"
custodians = ["1.2.246.10.32213086.10.0"]

[signing]
key_file = "/etc/kykysilta/secrets/signing.key.pem"
certificate_file = "/etc/kykysilta/signing.pem"
organisation = "1.2.246.10.32213086.10.0"

[backend_client]
client_id = "kykysilta"
key_file = "/etc/kykysilta/secrets/kykysilta.key.pem"
```

This page is made from `adapter/settings.py` by `scripts/make_configuration_docs.py`.
"""


def groups(annotation: Any) -> list[type[BaseModel]]:
    """The group of settings in a type, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in groups(inner)]


def kind(annotation: Any) -> str:
    """A type, for people."""
    arguments = [each for each in get_args(annotation) if each is not NoneType]
    name = getattr(get_origin(annotation), "__name__", "")
    if name == "Literal":
        return " · ".join(f"`{each}`" for each in arguments)
    if groups(annotation):
        return "table of tables" if name == "dict" else "table"
    if name == "dict":
        return "table"
    if name == "list":
        return "list"
    if name in ("Union", "UnionType") and arguments:
        return kind(arguments[0])
    plain = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "SecretStr": "secret"}
    return plain.get(getattr(annotation, "__name__", ""), "path of a file")


def default(field: FieldInfo) -> str:
    """What holds when nothing is said."""
    if field.is_required():
        return "**needed**"
    if field.default in (None, "", [], {}):
        return "–"
    if isinstance(field.default, list):
        return ", ".join(f"`{each}`" for each in field.default)
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def table(model: type[BaseModel]) -> str:
    """The settings of a group as a table."""
    rows = [
        f"| `{name}` | {kind(field.annotation)} | {default(field)} | {' '.join((field.description or '').split())} |"
        for name, field in model.model_fields.items()
    ]
    return "\n".join(["| setting | kind | by default | |", "|---|---|---|---|", *rows])


def document() -> str:
    """The whole page."""
    parts = [HEAD, "## All settings\n", table(Settings)]
    for name, field in Settings.model_fields.items():
        for group in groups(field.annotation):
            title = f"[{name}.NAME]" if kind(field.annotation) == "table of tables" else f"[{name}]"
            parts += [f"\n## `{title}`\n", f"{' '.join((group.__doc__ or '').split())}\n", table(group)]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
