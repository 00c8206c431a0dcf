"""How likely a model holds an answer."""
