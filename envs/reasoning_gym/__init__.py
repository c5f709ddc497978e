"""The tasks of Reasoning Gym."""
