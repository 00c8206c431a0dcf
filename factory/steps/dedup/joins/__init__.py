"""What the joins share: arrays, compilation, embeddings, and Ray."""
