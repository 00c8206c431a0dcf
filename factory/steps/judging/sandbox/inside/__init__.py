"""What runs inside the second tier; it imports the standard library alone."""
