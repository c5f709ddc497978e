"""Pages of one file: evaluations, training runs, games of SOAR and comparisons, written or served."""
