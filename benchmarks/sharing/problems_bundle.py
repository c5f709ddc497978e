"""What is shared of problems that `edgewise export` wrote: the file and its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgewise.agents.integrations.export import digest
from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.sharing.bundle import README, Bundle
from edgewise.benchmarks.sharing.public import places, public_value
from edgewise.benchmarks.sharing.run_bundle import code
from edgewise.files import FileError, about, read_json, read_text, readable

ENDING = ".card.json"
SCORE = """The column `{column}` names a problem, from which `edgewise.pose` makes it anew anywhere, and

```python
from edgewise.agents.integrations import score

outcome = score([name], [completion], begun=False)[0]
```

judges a completion of it."""
NAMED_BY = {  # the column of each layout that has the problem's name
    "trl": "problem",
    "trl-turns": "problem",
    "verl": "reward_model",
    "verifiers": "answer",
}


def problems_bundle(path: Path, repo: str, licence: str | None = None) -> Bundle:
    """Return what is shared of a file of problems: it, and its card.

    Args:
        path: The file that `edgewise export` wrote, with its card beside it.
        repo: The name of the repository, OWNER/NAME.
        licence: Identifier of the licence of the problems.

    Raises:
        FileError: If the card is not there or of another content, or a text has a path of this machine
            or a secret.
    """
    place = path.with_name(f"{path.name}{ENDING}")
    with readable(path):
        content = path.read_bytes()
    record = read_json(place)
    if record.get("sha256") != digest(content):
        raise FileError(f"{path}: must be as {place} says, got other bytes; export it anew")
    kept = public_value(record)
    with about(place):
        text = problems_card(kept, path.name, repo, licence)
    if path.suffix == ".jsonl":
        check_rows(path)
    card = place if kept == record else f"{json.dumps(kept, indent=2)}\n".encode()
    bundle = Bundle("dataset", {README: text.encode(), path.name: path, place.name: card})
    bundle.check((path.parent.resolve(), path.parent.absolute()))
    return bundle


def check_rows(path: Path) -> None:
    """Raise FileError if a row has a path from a root, as the name of a problem of a file there has."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        for found in places(json.loads(line)):
            raise FileError(
                f"{path}:{number}: must have no path of this machine, got {found:.80}; name it from the working "
                "folder where it is made"
            )


def problems_card(record: Mapping[str, Any], file: str, repo: str, licence: str | None) -> str:
    """Return the card of problems as Markdown with the metadata of the hub.

    Raises:
        ValueError: If the record lacks what an export writes.
    """
    from huggingface_hub import DatasetCardData

    lacking = [
        name for name in ("env", "split", "layout", "levels", "num_rows") if name not in record
    ]
    if lacking:
        raise ValueError(f"must have {', '.join(lacking)}, got {sorted(record)}")
    name = repo.rpartition("/")[2]
    data_files = [{"split": record["split"], "path": file}]
    found = DatasetCardData(
        license=licence,
        pretty_name=name,
        tags=["edgewise", "reinforcement-learning", "verifiable-rewards"],
        configs=[{"config_name": "default", "data_files": data_files}],
    )
    rows = [
        [str(level["level"]), f"{level['num_problems']:,}", str(level["sha256"])[:16]]
        for level in record["levels"]
    ]
    given = record.get("overrides") or {}
    lines = [
        f"---\n{found.to_yaml()}\n---\n",
        f"# {name}",
        "",
        f"{record['num_rows']:,} problems of {code(record['env'])}, preset {code(record.get('preset'))}, split "
        f"{code(record['split'])}, in the columns of {code(record['layout'])}; written by Edgewise "
        f"{code(record.get('edgewise'))}. No problem is in two splits.",
        "",
        *([f"Keywords of the environment: {code(given)}.", ""] if given else []),
        *Sheet("", ["level", "problems", "SHA-256 of their names"], rows).markdown(),
        "",
        SCORE.format(column=NAMED_BY.get(record["layout"], "problem")),
        "",
    ]
    return "\n".join(lines)
