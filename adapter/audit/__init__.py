"""The log of acts: one hash-chained entry an act, written in the transaction of the act itself."""

from adapter.audit.chain import Finding, append, checkpoint, checkpointed, notes, size, verify
from adapter.audit.checkpoints import Checkpoint, CheckpointBroken, read_checkpoint

__all__ = [
    "Checkpoint",
    "CheckpointBroken",
    "Finding",
    "append",
    "checkpoint",
    "checkpointed",
    "notes",
    "read_checkpoint",
    "size",
    "verify",
]
