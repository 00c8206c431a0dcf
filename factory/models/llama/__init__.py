"""Models that run in this process by llama.cpp."""
