"""Curricula on simulated learners, which cost seconds."""
