"""`/metrics` for Prometheus: what lies in the outbox, how long certificates last. Labels name no person or sender."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool

from adapter.api.access import Access, line_of
from adapter.delivery import Outbox
from adapter.delivery.states import State
from adapter.security.certificates import days_left

router = APIRouter(tags=["service"])


class OutboxCollector(Collector):
    """Reads the outbox at each scrape."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield number and age of messages by state."""
        stock, now = self._outbox.stock(), time.time()
        count = GaugeMetricFamily("kykysilta_outbox_messages", "Messages by state", labels=["state"])
        age = GaugeMetricFamily(
            "kykysilta_outbox_oldest_seconds", "Age of the oldest change by state", labels=["state"]
        )
        for state in State:
            number, oldest = stock.get(state, (0, now))
            count.add_metric([state], number)
            age.add_metric([state], max(0.0, now - oldest))
        yield count
        yield age


class CertificateCollector(Collector):
    """Says at each scrape how long our certificates are still good."""

    def __init__(self, days: Mapping[str, float]) -> None:
        self._days = days

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the days by what the certificate is for; negative when it has ended."""
        left = GaugeMetricFamily("kykysilta_certificate_days_left", "Days until our certificate ends", labels=["name"])
        for name, days in self._days.items():
            left.add_metric([name], days)
        yield left


def days_of(request: Request) -> dict[str, float]:
    """Return for each certificate in use how many days it is still good; a blocking call, because it reads files."""
    now = time.time()
    return {name: days_left(each, now) for name, each in request.app.state.certificates().items()}


@router.get("/metrics", summary="Numbers for Prometheus")
async def metrics(request: Request) -> Response:
    """Return the metrics in Prometheus' text format, to callers from the operator's networks."""
    access: Access = request.app.state.access
    access.operator(request)
    registry = CollectorRegistry()
    registry.register(OutboxCollector(line_of(request).outbox))
    registry.register(CertificateCollector(await run_in_threadpool(days_of, request)))
    return Response(await run_in_threadpool(generate_latest, registry), media_type=CONTENT_TYPE_LATEST)
