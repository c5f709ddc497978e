"""Data sets of mathematics, and problems of one's own from a file."""
