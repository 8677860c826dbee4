"""The log of acts: one hash-chained entry an act, written in the transaction of the act itself.

Beside the chain: `persons` (key table of pseudonyms), `rows` and `acts` (reading), `breach` (who saw what, GDPR art.
33 and 34), `log_copy` (the client's copy), `processing` (art. 30 and 35), `sheets` (tables of words for all of them).
"""

from adapter.audit.chain import WHOLE, Finding, Part, append, checkpoint, checkpointed, lock, notes, size, verify
from adapter.audit.checkpoints import Checkpoint, CheckpointBroken, read_checkpoint

__all__ = [
    "WHOLE",
    "Checkpoint",
    "CheckpointBroken",
    "Finding",
    "Part",
    "append",
    "checkpoint",
    "checkpointed",
    "lock",
    "notes",
    "read_checkpoint",
    "size",
    "verify",
]
