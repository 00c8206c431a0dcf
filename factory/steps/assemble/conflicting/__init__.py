"""How groups of a set conflict: in the form of their answers, in where their prompts lie, in what they say."""
