"""Steps at the two ends: records from files, and files from records."""
