"""The journal of replies: none is asked for twice."""
