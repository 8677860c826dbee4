"""Synthetic clients with all their records: realistic in shape, consistent with each other, about nobody.

The same seed gives the same records, and a longer run begins with a shorter one. Content comes from
`mappings/synthetic.yaml`; identity codes have an individual number 900–999, which is issued to nobody, and no two
clients of a run share one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from adapter.source.synthetic.case import LARGEST, Case
from adapter.source.synthetic.health import functional_assessment, health_check
from adapter.source.synthetic.network import client, consent, team
from adapter.source.synthetic.plan import plan
from adapter.types import Record

_KINDS = (client, team, consent, plan, health_check, functional_assessment)
_STEP = 6_700_417  # a prime that does not divide LARGEST: every code comes once before one comes again


def records(clients: int, seed: int) -> Iterator[Record]:
    """Yield six canonical records for each of so many clients, in the order in which they are sent.

    For each: client, team, consent, work-ability plan, health check, functional assessment.

    Raises:
        ValueError: more clients than there are synthetic identity codes.
    """
    if clients > LARGEST:
        raise ValueError(f"at most {LARGEST} clients have an identity code of their own")
    first = random.Random(seed).randrange(LARGEST)  # noqa: S311 - content, no secret
    for number in range(clients):
        case = Case(seed, number, (first + number * _STEP) % LARGEST)
        yield from (make(case) for make in _KINDS)
