"""From an accepted Bundle to a receipt: outbox, worker, client. Nothing accepted is lost, nothing arrives twice."""

from adapter.delivery.chores import Chore, Chores
from adapter.delivery.client import Repository
from adapter.delivery.outbox import Outbox
from adapter.delivery.worker import Worker

__all__ = ["Chore", "Chores", "Outbox", "Repository", "Worker"]
