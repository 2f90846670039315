"""The mixture: how much of each stream a run sees, and in which order."""

from forgetless.mixture.plan import MixturePlan, plan_mixture, realised_shares
from forgetless.mixture.stream import Bin, MixtureStream, StreamSpec

__all__ = ["Bin", "MixturePlan", "MixtureStream", "StreamSpec", "plan_mixture", "realised_shares"]
