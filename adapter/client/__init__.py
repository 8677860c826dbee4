"""The typed Python client of the vendor API: hand records over, follow them to their receipts, fetch and take back.

from adapter.client import AdapterClient

with AdapterClient("https://adapter.example", client_id="my-ehr", key_file="key.pem") as adapter:
    taken = adapter.send(record)
    print(adapter.wait_for_receipt(taken.id).receipts)
"""

from adapter.client.answers import Fetched, Invalidation, Judged, Preview, Problem, Recipient, Status, Step, Taken
from adapter.client.calls import AdapterClient
from adapter.client.errors import (
    ApiError,
    Conflict,
    Forbidden,
    NotDelivered,
    NotFound,
    NotThere,
    OtherAddress,
    Refused,
    TryLater,
)

__all__ = [
    "AdapterClient",
    "ApiError",
    "Conflict",
    "Fetched",
    "Forbidden",
    "Invalidation",
    "Judged",
    "NotDelivered",
    "NotFound",
    "NotThere",
    "OtherAddress",
    "Preview",
    "Problem",
    "Recipient",
    "Refused",
    "Status",
    "Step",
    "Taken",
    "TryLater",
]
