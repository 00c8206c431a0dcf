"""What a run may spend, and when it has."""

from __future__ import annotations

from factory.engine.progress import RunProgress
from factory.recipe.recipe import Budget


def spent_reason(budget: Budget, progress: RunProgress, in_flight: int) -> str:
    """Why no more calls may be sent, as a sentence with the mend; "" while there is something left.

    Replies from the journal cost nothing. Calls are exact: those in flight count, and a request to a batch counts
    when it is written, not when its reply is taken in. Tokens and money are known
    only when a reply has come, so a run may end above the limit by what was in flight.
    """
    how = "raise it in the recipe, or with --set budget.{}=..., and run again: nothing is asked twice"
    if budget.calls is not None and progress.calls + in_flight >= budget.calls:
        return f"the budget of {budget.calls:,} calls is spent; {how.format('calls')}"
    if budget.tokens is not None and progress.tokens >= budget.tokens:
        return f"the budget of {budget.tokens:,} tokens is spent; {how.format('tokens')}"
    if budget.money is not None and (progress.cost or 0.0) >= budget.money:
        return f"the budget of {budget.money:,.2f} is spent; {how.format('money')}"
    return ""
