"""Many judgements: who wins, how far a judge can be trusted, which rows to ask about."""
