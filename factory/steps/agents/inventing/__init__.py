"""Bootstrapping tasks from seeds (Self-Instruct): the pool, what a reply lists, and the rules of the paper."""
