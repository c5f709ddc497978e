"""A batch between an environment and a rule: what is drawn, what it earned, what is learned of it."""
