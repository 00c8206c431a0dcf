"""Runs code that a model or a row brought: a sandbox of two tiers."""
