"""Numbers about numbers and texts: how far scores agree, how sure a share is, how varied a set is. Plain functions."""
