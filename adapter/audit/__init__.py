"""The log of acts: one hash-chained entry an act, written in the transaction of the act itself."""

from adapter.audit.chain import append, verify

__all__ = ["append", "verify"]
