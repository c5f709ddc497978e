"""Evaluation of any agent on the suites of the papers, with a report of every answer."""
