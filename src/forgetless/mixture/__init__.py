"""The mixture: how much of each stream a run sees, and in which order."""

from forgetless.mixture.plan import MixturePlan, plan_mixture, realised_shares
from forgetless.mixture.spec import REPLAY, KnownLengths, StreamSpec, replay_of
from forgetless.mixture.stream import Bin, MixtureStream

__all__ = [
    "REPLAY",
    "Bin",
    "KnownLengths",
    "MixturePlan",
    "MixtureStream",
    "StreamSpec",
    "plan_mixture",
    "realised_shares",
    "replay_of",
]
