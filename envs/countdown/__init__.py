"""Countdown: reach a number with all of the given ones."""
