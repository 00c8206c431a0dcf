"""Code in an answer, the tests of its row, and what came of running both in the sandbox."""
