"""Answering: several samples of one or several models, the choice among them, and every turn of a conversation."""
