"""What becomes of a model's thoughts where a data set is written."""
