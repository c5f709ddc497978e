import subprocess

from edgewise.provenance import commit_of


def test_the_commit_is_of_this_checkout_alone(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "theirs").write_text("mine")
    subprocess.run([*git, "add", "theirs"], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    (tmp_path / "installed.py").write_text("ours")  # as in the environment of another's project
    assert commit_of(tmp_path / "theirs") is not None
    assert commit_of(tmp_path / "installed.py") is None
