"""Puzzles on rows of colours."""
