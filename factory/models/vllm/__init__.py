"""vLLM: servers started here, and its engine without a server."""
