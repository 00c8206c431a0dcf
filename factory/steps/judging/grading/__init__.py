"""One judgement: the rubric, the question, and the score that the reply means."""
