"""What the commands of the endpoint share: options, the client of the control, and how they say what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.i18n import Language

if TYPE_CHECKING:
    from adapter.mock.client import MockClient

Root = Annotated[str, typer.Option("--url", help="root URL of the running endpoint")]
Lang = Annotated[Language, typer.Option("--lang", envvar="KYKYSILTA_LANGUAGE", help="language of texts")]
Namespace = Annotated[str, typer.Option("--namespace", help="namespace to act on")]
ROOT = "http://127.0.0.1:8090"


def fail(text: str) -> typer.Exit:
    """Say what is wrong on the error stream; to be raised, exit code 2."""
    typer.echo(text, err=True)
    return typer.Exit(2)


@contextmanager
def control(url: str, namespace: str) -> Iterator[MockClient]:
    """Give a client of the control; say clearly when there is no endpoint or it refuses."""
    import httpx

    from adapter.mock.client import MockClient

    try:
        with MockClient(url, namespace) as client:
            yield client
    except httpx.TransportError:
        raise fail(f"no endpoint answers at {url}; start one with: kykysilta mock serve") from None
    except ValueError as error:
        raise fail(str(error)) from None
