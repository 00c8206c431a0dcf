"""Everything that talks to a language model or an embedding model."""
