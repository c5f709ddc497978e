"""SOAR: a teacher writes problems, and earns what a student learns from them."""
