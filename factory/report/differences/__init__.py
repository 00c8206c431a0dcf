"""What two versions of a set differ by, and why."""
