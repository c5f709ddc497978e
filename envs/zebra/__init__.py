"""Logic grid puzzles."""
