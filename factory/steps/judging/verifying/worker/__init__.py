"""Runs verifiers that may hang or swell in processes of their own, with a time limit for each job."""
