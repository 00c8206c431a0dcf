"""How `evolve` chooses its operations, what bounds their growth, and how it shows a conversation."""
