"""What grounds rows in documents: spans, facts, kinds of questions, and the checks that each row passes."""
