"""Push a bundle to a hub as one commit; the token is the hub's own, and is never shown."""

from __future__ import annotations

import os
import re
from pathlib import Path

from edgewise.benchmarks.sharing.bundle import Bundle
from edgewise.errors import UsageError

REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
MESSAGE = "Add a {kind} of Edgewise"


def check_repo(repo: str) -> None:
    """Raise ValueError unless a name is that of a repository.

    >>> check_repo("sec-countdown")
    Traceback (most recent call last):
        ...
    ValueError: `repo` must be OWNER/NAME, got 'sec-countdown'
    """
    if not REPO.fullmatch(repo):
        raise ValueError(f"`repo` must be OWNER/NAME, got {repo!r:.80}")


def push(bundle: Bundle, repo: str, private: bool) -> str:
    """Make the repository if there is none, add the files in one commit, and return its address.

    The hub is that of `HF_ENDPOINT`, the token that of `HF_TOKEN` or `hf auth login`.

    Raises:
        UsageError: If the hub cannot be reached or refuses; the message has no token.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, errors, get_token

    token = get_token()
    if not token:
        raise UsageError(
            "a token of the hub must be there, got none; run `hf auth login`, or set HF_TOKEN"
        )
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    operations = [
        CommitOperationAdd(name, str(content) if isinstance(content, Path) else content)
        for name, content in bundle.files.items()
    ]
    http: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]  # of whichever client it has
    refused = (http, OSError, ValueError, RuntimeError)
    try:
        api.create_repo(repo, repo_type=bundle.kind, private=private, exist_ok=True)
        message = MESSAGE.format(kind=bundle.kind)
        done = api.create_commit(repo, operations, commit_message=message, repo_type=bundle.kind)
    except refused as error:
        raise UsageError(said(error, token)) from None
    return str(done.commit_url)


def said(error: Exception, token: str) -> str:
    """Return what a hub says, in one line, without the token."""
    reasons = [str(part) or type(part).__name__ for part in (error, error.__cause__) if part]
    text = " ".join(" ".join(reasons).split())
    return f"nothing was pushed: {text.replace(token, '***')}"
