"""One mapping from a verdict to the number that a trainer learns from: pure, versioned, documented.

`docs/reward.md` has the formula and a table; nothing here judges, waits or reads a file.
"""

from harness.reward.formula import REWARD_VERSION, Reward, RewardSettings, reward

__all__ = ["REWARD_VERSION", "Reward", "RewardSettings", "reward"]
