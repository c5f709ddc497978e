"""Who answers: models, what samples from them, and how they are loaded."""
