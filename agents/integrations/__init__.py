"""The curricula under other trainers, and problems as files for them."""
