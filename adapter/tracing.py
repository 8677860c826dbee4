"""Traces for OpenTelemetry, when a collector is configured and the extra `otel` is installed; otherwise nothing.

A span carries the lines of the event catalogue as its span events, so it can say no more than the log may: opaque
ids, codes, counts and times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
SERVICE = "kykysilta"


class NoTracingError(Exception):
    """Traces are asked for, but the extra `otel` is not installed."""


class _Tracing:
    """What is set up once a process: nothing until `start`."""

    trace: Any = None
    provider: Any = None


def start(url: str = "", *, exporter: Any = None) -> None:
    """Send traces from now on.

    Args:
        url: collector that takes OTLP over HTTP, e.g. `http://localhost:4318/v1/traces`.
        exporter: takes finished spans in its place; for tests.

    Raises:
        NoTracingError: the extra `otel` is not installed.
    """
    try:
        sdk, processing = import_module("opentelemetry.sdk.trace"), import_module("opentelemetry.sdk.trace.export")
        resources = import_module("opentelemetry.sdk.resources")
        if exporter is None:
            exporter = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter").OTLPSpanExporter(url)
        _Tracing.trace = import_module("opentelemetry.trace")
    except ImportError:
        raise NoTracingError("traces need the extra otel: pip install 'kykysilta[otel]'") from None
    resource = resources.Resource.create({"service.name": SERVICE, "service.version": _version()})
    _Tracing.provider = sdk.TracerProvider(resource=resource, shutdown_on_exit=False)
    _Tracing.provider.add_span_processor(processing.BatchSpanProcessor(exporter))


def flush() -> None:
    """Send what is still held back."""
    if _Tracing.provider is not None:
        _Tracing.provider.force_flush()


def stop() -> None:
    """Send what is still held back, and no more from now on."""
    if _Tracing.provider is not None:
        _Tracing.provider.shutdown()
    _Tracing.provider = None


def traced(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make each call of a function a span; an exception leaves its type in it, never its text."""

    def around(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def inside(*args: P.args, **kwargs: P.kwargs) -> R:
            if _Tracing.provider is None:
                return function(*args, **kwargs)
            tracer = _Tracing.provider.get_tracer(SERVICE)
            with tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as span:
                try:
                    return function(*args, **kwargs)
                except Exception as error:
                    span.set_attribute("error.type", type(error).__name__)
                    span.set_status(_Tracing.trace.StatusCode.ERROR)
                    raise

        return inside

    return around


def note(name: str, fields: Mapping[str, Any]) -> None:
    """Add a line of the event catalogue to the span in which it is written."""
    if _Tracing.provider is not None:
        told = {key: value if isinstance(value, bool | int | float) else str(value) for key, value in fields.items()}
        _Tracing.trace.get_current_span().add_event(name, told)


def _version() -> str:
    try:
        return version("kykysilta")
    except PackageNotFoundError:
        return "0"
