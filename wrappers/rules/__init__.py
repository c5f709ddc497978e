"""What to pose next: one file for each published method."""
