"""Studies of real runs, by a plan laid down before."""
