"""The files that go to a hub, checked for what must not: other formats, paths of this machine, secrets.

A file of a model is taken only if its name is one that `MODEL_FILES` has. Weights are safetensors, of
which the head is read. In configs paths, logins and keys are replaced or left out; in what cannot be
changed, as a tokenizer, a path of this machine, a key, or the value of a secret variable of the
environment refuses the bundle.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.sharing.public import KEY_SHAPES, places, public_value
from edgewise.errors import UsageError
from edgewise.files import FileError, read_json, readable

README = "README.md"
MODEL_FILES = (  # patterns of names, whole
    r"(adapter_)?model(-\d{5}-of-\d{5})?\.safetensors",
    r"model\.safetensors\.index\.json",
    r"(config|generation_config|adapter_config|edgewise)\.json",
    r"(tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json",
    r"merges\.txt|tokenizer\.model|chat_template\.jinja",
)
PLACES = (
    "_name_or_path",
    "name_or_path",
)  # of a model, in its configs; elsewhere they lead nowhere
SCANNED = (".md", ".json", ".jsonl", ".jinja", ".txt")
SECRET = re.compile("KEY|TOKEN|SECRET|PASS|PWD|CREDENTIAL|AUTH|_PAT$|DATABASE_URL")
MIN_SECRET = 8  # characters of a value that cannot be there by chance
MAX_HEAD = 100_000_000  # bytes, as the format allows
CONFIGS = ("config.json", "edgewise.json")  # endings of the files whose fields may be left out
TEMPLATE = "chat_template"
ROOTS = "home|Users|root|mnt|data|tmp|var|opt|srv|workspace|scratch|media|Volumes|private|nfs"
# what is certainly of a machine, in a text in which "/" and "\\n" mean other things
LOCAL = re.compile(
    rf"(?<![\w.<~/])(?:/(?:{ROOTS})/[^\s\"'<>|:/\\]+|[A-Za-z]:[\\/]{{1,2}}(?:{ROOTS}|Windows|models)[\\/])|"
    r"(?<!\\)\\\\\w[\w.-]+\\\w[\w.$-]+\\"
)
REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
MESSAGE = "Add a {kind} of Edgewise"


@dataclass(frozen=True)
class Bundle:
    """Files by their name in the repository, each a path or the content itself."""

    kind: Literal["model", "dataset"]
    files: Mapping[str, Path | bytes]

    @property
    def card(self) -> str:
        """The text of its README.md."""
        card = self.files[README]
        assert isinstance(card, bytes)
        return card.decode()

    def sheet(self) -> Sheet:
        """Return a table of the files and their sizes."""
        rows = [[name, f"{size_of(content):,}"] for name, content in self.files.items()]
        total = sum(map(size_of, self.files.values()))
        return Sheet("", ["file", "bytes"], [*rows, ["all", f"{total:,}"]])

    def check(self, places: tuple[Path, ...]) -> None:
        """Refuse the bundle if a text has a path of this machine, or a secret of its environment.

        Args:
            places: Folders whose paths must be nowhere; the home folder is one in any case.

        Raises:
            FileError: If one has, with where it is.
        """
        paths = [f"{place}{os.sep}" for place in (*places, Path.home()) if len(place.parts) > 1]
        secrets = {
            name: value
            for name, value in os.environ.items()
            if SECRET.search(name.upper()) and len(value) >= MIN_SECRET
        }
        for name, content in self.files.items():
            is_template = TEMPLATE in name or name == "tokenizer_config.json"
            for number, line in lines_of(name, content):
                where = f"{content if isinstance(content, Path) else name}:{number}"
                for path in paths:
                    if path in line:
                        raise FileError(
                            f"{where}: must have no path of this machine, got {path}; name it from the "
                            "working folder where it is made"
                        )
                if is_template and (found := LOCAL.search(line)):
                    raise FileError(f"{where}: must have no path of a machine, got {found[0]:.80}")
                if KEY_SHAPES.search(line):
                    raise FileError(f"{where}: must have no key, got what has the shape of one")
                for variable, value in secrets.items():
                    if any(form in line for form in forms_of(value)):
                        raise FileError(
                            f"{where}: must have no secret, got the value of {variable}"
                        )


def forms_of(value: str) -> set[str]:
    """Return a text as it stands in files: as it is, and as JSON writes it."""
    return {value, *(json.dumps(value, ensure_ascii=plain)[1:-1] for plain in (True, False))}


def lines_of(name: str, content: Path | bytes) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a text, and the head of weights; none of anything else."""
    if name.endswith(".safetensors") and isinstance(content, Path):
        yield 1, head_of(content).decode(errors="replace")
    if not name.endswith(SCANNED):
        return
    if isinstance(content, bytes):
        yield from enumerate(content.decode().splitlines(), start=1)
        return
    with readable(content), content.open(encoding="utf-8", errors="replace") as lines:
        yield from enumerate(lines, start=1)


def size_of(content: Path | bytes) -> int:
    """Return how many bytes a file has."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def model_files(folder: Path) -> dict[str, Path | bytes]:
    """Return the files of a model that may be shared, without the places that its configs name.

    Raises:
        FileError: If it has no weights in safetensors, or one of its files is damaged or leads elsewhere.
    """
    if folder.is_symlink():
        raise FileError(f"{folder}: must be a folder of its own, got a link")
    if not folder.is_dir():
        raise FileError(
            f"{folder}: must be the folder of a model, got none; a run writes it at its end"
        )
    found: dict[str, Path | bytes] = {}
    for path in sorted(folder.iterdir()):
        if not any(re.fullmatch(pattern, path.name) for pattern in MODEL_FILES):
            continue
        if path.is_symlink() or not path.is_file():
            raise FileError(f"{path}: must be a file of its own, got a link or a folder")
        if path.suffix == ".safetensors":
            check_head(path)
        found[path.name] = cleaned(path) if path.name.endswith(CONFIGS) else path
    if not any(name.endswith(".safetensors") for name in found):
        raise FileError(f"{folder}: must have weights in safetensors, got none")
    return found


def check_head(path: Path) -> None:
    """Raise FileError unless a file has a safetensors header: the size of a JSON object, then that."""
    try:
        found: Any = json.loads(head_of(path))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise FileError(f"{path}: must be safetensors, got another format")


def head_of(path: Path) -> bytes:
    """Return the head of weights; nothing if it is not as long as the file says."""
    with readable(path), path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        head = file.read(min(size, MAX_HEAD))
    return head if len(head) == size else b""


def cleaned(path: Path) -> Path | bytes:
    """Return a config as it is, or without the places, logins and keys that it has.

    A chat template is what the model was trained with: `Bundle.check` refuses what may not be in one.
    """
    config = read_json(path)
    kept: dict[str, Any] = public_value(
        {
            name: value
            for name, value in config.items()
            if not (name in PLACES and any(places(value)))
        }
    )
    if TEMPLATE in config:
        kept[TEMPLATE] = config[TEMPLATE]
    return path if kept == config else f"{json.dumps(kept, indent=2)}\n".encode()


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
