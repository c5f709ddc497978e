"""What of a run, or of exported problems, is shared on a hub, with its card."""
