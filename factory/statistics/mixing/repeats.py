"""What repeated data is worth: the data-constrained scaling law (Muennighoff et al., arXiv 2305.16264)."""

from __future__ import annotations

import math
from dataclasses import dataclass

FRESH_EPOCHS = 4
"""Up to so many epochs, repeated data is worth nearly as much as new."""
DATA_HALF_LIFE = 15.387756
"""R_D: so many repeats, or nearly, is all that data can be repeated to any use."""


@dataclass(frozen=True, slots=True)
class DataConstrained:
    """Chinchilla's form in which repeated data, and a model beyond what its data can teach, count for less.

    L = E + A / N'^alpha + B / D'^beta. D' = U_D + U_D R_D (1 - e^(-r_D / R_D)): U_D unique tokens, r_D repeats of
    them. N' likewise, of the parameters that so many unique tokens are best for. The values are those published.
    """

    A: float = math.exp(6.255414)
    B: float = math.exp(7.3049974)
    E: float = math.exp(0.6254804)
    alpha: float = 0.3526596
    beta: float = 0.3526596
    data_half_life: float = DATA_HALF_LIFE
    size_half_life: float = 5.309743

    def loss(self, parameters: float, tokens: float, unique: float) -> float:
        """The loss of a model of so many parameters, trained on so many tokens, of which so many are unique.

        Raises:
            ValueError: one of them is not above 0.
        """
        if min(parameters, tokens, unique) <= 0:
            raise ValueError("parameters, tokens and unique tokens must be above 0")
        of_data = min(unique, tokens)
        data = effective_data(of_data, tokens, self.data_half_life)
        ratio = (self.alpha * self.A / (self.beta * self.B)) ** (1 / (self.alpha + self.beta))
        of_size = min(parameters, (of_data * ratio) ** (self.beta / self.alpha) * ratio)
        size = effective_data(of_size, parameters, self.size_half_life)
        return float(self.E + self.A / size**self.alpha + self.B / data**self.beta)


def effective_data(unique: float, seen: float, half_life: float = DATA_HALF_LIFE) -> float:
    """What `seen` rows or tokens are worth in new ones, where only `unique` of them are: equal up to the first epoch.

    unique: how many different there are; seen: how many a model is trained on
    """
    if unique <= 0:
        return 0.0
    repeats = max(seen / unique - 1, 0.0)
    return min(seen, unique) + unique * half_life * -math.expm1(-repeats / half_life)
