"""The one gate (`pass_gate`): consent and audit for every release of data."""

from adapter.release.gate import (
    OF_NO_CLIENT,
    Asked,
    OnFile,
    Passed,
    Reader,
    Witness,
    Word,
    grounds,
    keeps_register,
    pass_gate,
    traces_of,
)
from adapter.release.outline import outline
from adapter.release.record import OWN_REGISTER, Released, check_release

__all__ = [
    "OF_NO_CLIENT",
    "OWN_REGISTER",
    "Asked",
    "OnFile",
    "Passed",
    "Reader",
    "Released",
    "Witness",
    "Word",
    "check_release",
    "grounds",
    "keeps_register",
    "outline",
    "pass_gate",
    "traces_of",
]
