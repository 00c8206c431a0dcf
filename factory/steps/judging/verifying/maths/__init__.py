"""Final answers of mathematics: found in a response, read as a number, choice or formula, and compared."""
