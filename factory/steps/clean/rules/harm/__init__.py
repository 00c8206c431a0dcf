"""Harm: words that say which rows a judge should look at."""
