"""How commands reach a running adapter: its address, who calls, and what is said when it does not answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.exits import Exit
from adapter.cli.inputs import fail, fail_at
from adapter.i18n import text

if TYPE_CHECKING:
    from adapter.client import AdapterClient

Url = Annotated[str, typer.Option("--url", envvar="KYKYSILTA_URL", help="Base URL of the adapter.")]
HERE = "http://127.0.0.1:8080"


@contextmanager
def calling(url: str, language: str = "en") -> Iterator[AdapterClient]:
    """Give a client of the adapter; exits with a text when it refuses or does not answer.

    A registered client is named by the environment: `KYKYSILTA_CLIENT_ID`, with `KYKYSILTA_CLIENT_KEY_FILE` or with
    `KYKYSILTA_CLIENT_CERTIFICATE_FILE` (certificate and key in one PEM file), and `KYKYSILTA_AUTHORITIES_FILE` when the
    adapter's own certificate is not of a public authority.
    """
    from adapter.client import AdapterClient, ApiError, NotThere, OtherAddress
    from adapter.security.keys import KeyProblem

    pair, authorities = (os.environ.get(f"KYKYSILTA_{name}_FILE") for name in ("CLIENT_CERTIFICATE", "AUTHORITIES"))
    try:
        with AdapterClient(
            url,
            client_id=os.environ.get("KYKYSILTA_CLIENT_ID", ""),
            key_file=os.environ.get("KYKYSILTA_CLIENT_KEY_FILE"),
            certificate=(pair, pair) if pair else None,
            authorities=authorities,
            language=language,
            attempts=2,
        ) as client:
            yield client
    except OtherAddress:
        fail(text("cli.other-address", language, url=url), Exit.NOT_DELIVERED)
    except NotThere as error:
        fail(text("cli.not-there", language, url=url, cause=error.cause), Exit.NOT_DELIVERED)
    except KeyProblem as problem:
        fail(problem.text(language))
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        named = (name for name in (pair, authorities) if name and not os.access(name, os.R_OK))
        fail_at(error.filename or next(named, url), error, language)
    except (ApiError, OSError) as error:
        unnamed = getattr(error, "status", 0) == 401 and "KYKYSILTA_CLIENT_ID" not in os.environ
        fail(text("cli.who-calls", language) if unnamed else str(error), Exit.UNREADABLE)
