"""Cleaning: named rules that find faults in rows, and what is done about them."""
