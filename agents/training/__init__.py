"""Runs: their config, folder, evaluation and report."""
