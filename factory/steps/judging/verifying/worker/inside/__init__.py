"""What runs in a verifier's process; imports nothing of factory."""
