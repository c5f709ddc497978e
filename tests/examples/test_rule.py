"""A rule is added in two files: its own, and its test."""


def test_a_commit_that_adds_a_rule(commits):
    touched, passed = commits
    assert touched["rule"] == ["tests/wrappers/rules/test_exp3.py", "wrappers/rules/exp3.py"]
    assert sum("exp3" in test for test in passed) > 15
