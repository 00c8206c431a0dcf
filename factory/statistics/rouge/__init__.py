"""The loops that compare texts word for word (ROUGE-L), and an index of texts by it."""
