"""Pairs of records that are close: which are found by a join, and, exactly, which lie across a border."""
