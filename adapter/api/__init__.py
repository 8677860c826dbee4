"""The vendor HTTP API (`/v1`): where EHR systems hand over records and ask where they are."""

from adapter.api.app import create_app

__all__ = ["create_app"]
