"""The mixture: how much of each stream a run sees, and in which order."""

from forgetless.mixture.plan import MixturePlan, plan_mixture, realised_shares
from forgetless.mixture.stream import Bin, KnownLengths, MixtureStream, StreamSpec

__all__ = ["Bin", "KnownLengths", "MixturePlan", "MixtureStream", "StreamSpec", "plan_mixture", "realised_shares"]
