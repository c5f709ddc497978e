"""Small language models to try Edgewise with: countdown, puzzles and sums."""
