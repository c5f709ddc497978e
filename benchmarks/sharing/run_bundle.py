"""What of a run is shared: the model, its card with data, curriculum, budget and scores, and the metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.agents.training import samples, trouble, validation
from edgewise.agents.training.folder_kind import TRAIN, TRL, VERL, check_kind, kind_of
from edgewise.agents.training.report import described, scored, troubled, validated
from edgewise.agents.training.run_reading import read_both, read_config, read_looks, read_metrics
from edgewise.agents.training.sheet import Sheet, escape
from edgewise.benchmarks.sharing.bundle import README, Bundle, model_files
from edgewise.benchmarks.sharing.public import public_value
from edgewise.files import FileError, read_json, read_jsonl
from edgewise.folder import Folder

Row = Mapping[str, Any]
SETTINGS = (  # fields of config.json that the card lists, where they are there and not None
    "algorithm", "learning_rate", "num_problems", "group_size", "allocation", "temperature", "max_tokens",
    "max_prompt_tokens", "logprobs", "stop", "lora_rank", "lora_alpha", "lora_dropout", "dtype", "engine",
    "seed",
)  # fmt: skip
USE = """```python
from edgewise.agents import load_policy

policy = load_policy("hf:{repo}")
```

`edgewise eval --env {env} --agent hf:{repo}` scores it, and any program for transformers loads it."""
METRICS = ("metrics.jsonl", "validation.jsonl", "before.json", "after.json")
MODEL = "model"
TEXTS = ("env",)  # fields of metrics that are no numbers


def scores(path: Path) -> Path | bytes:
    """Return a file of metrics as it is, or with its numbers, and the fields of `TEXTS`, alone.

    Raises:
        FileError: If it has anything else than objects of JSON, to its end.
    """
    is_lines = path.suffix == ".jsonl"
    rows = list(read_jsonl(path, growing=False)) if is_lines else [read_json(path)]
    kept = [numbers(row) for row in rows]
    return path if kept == rows else "".join(f"{json.dumps(row)}\n" for row in kept).encode()


def numbers(value: Any) -> Any:
    """Return JSON with its numbers and nothing else, but for the fields of `TEXTS`.

    >>> numbers({"step": 1, "host": "a", "levels": [{"env": "Countdown-v0", "pass_at_1": 0.5, "by": "b"}]})
    {'step': 1, 'levels': [{'env': 'Countdown-v0', 'pass_at_1': 0.5}]}
    """
    if isinstance(value, dict):
        return {
            name: public_value(inner) if name in TEXTS else numbers(inner)
            for name, inner in value.items()
            if name in TEXTS or not isinstance(inner, str)
        }
    if isinstance(value, list):
        return [numbers(inner) for inner in value if not isinstance(inner, str)]
    return value


def run_bundle(path: Path, repo: str, best: bool = False, licence: str | None = None) -> Bundle:
    """Return what is shared of a training run, its files checked.

    Args:
        path: The folder of the run, which is finished.
        repo: The name of the repository, OWNER/NAME.
        best: Whether the model with the best validation score goes, instead of that of the end.
        licence: Identifier of the licence of the weights.

    Raises:
        FileError: If there is no such model, a file is damaged, or a text has a path of this machine
            or a secret.
        ValueError: If the folder is of something else than a training run.
    """
    check_kind(path, None, TRAIN, TRL, VERL)
    folder = Folder(path)
    if kind_of(path) is None:
        folder.config()  # says what is wrong
        raise FileError(f"{path}: must be the folder of a run, got none")
    looks = read_looks(folder)
    look = validation.best_of(looks) if best else None
    if best and look is None:
        raise FileError(
            f"{path}: must have validations for its best model, got none; see --eval-every"
        )
    weights = model_files(path / (validation.BEST if best else MODEL))
    card = run_card(folder, repo, look, licence)
    for name in METRICS:
        if (path / name).is_symlink():
            raise FileError(f"{path / name}: must be a file of its own, got a link")
    metrics = {
        f"metrics/{name}": scores(path / name) for name in METRICS if (path / name).is_file()
    }
    bundle = Bundle("model", {README: card.encode(), **weights, **metrics})
    bundle.check((path.resolve(), path.absolute()))
    return bundle


def run_card(folder: Folder, repo: str, look: Row | None = None, licence: str | None = None) -> str:
    """Return the model card of a run as Markdown with the metadata of the hub.

    Args:
        folder: Of the run.
        repo: The name of the repository, OWNER/NAME.
        look: The validation whose model is shared; None for the model of the end.
        licence: Identifier of the licence of the weights; None says nothing of it.

    Raises:
        FileError: If a file of the run is damaged.
    """
    config = public_value(read_config(folder))
    metrics, looks = read_metrics(folder), read_looks(folder)
    before, after = read_both(folder)
    results = ([] if after is None else after["levels"]) if look is None else look["levels"]
    name = repo.rpartition("/")[2]
    text = [
        metadata(config, name, results, "test" if look is None else "validation", licence),
        f"# {name}",
        "",
        f"A language model trained with reinforcement learning on {code(config['env'])} under the curriculum "
        f"{code(config['curriculum'])}, with Edgewise.",
        "",
        *(best_line(look) if look else []),
        "## Data",
        "",
        *data(config),
        "",
        "## Curriculum",
        "",
        *curriculum(config, metrics),
        "",
        "## Budget",
        "",
        *described(config, metrics),
        "",
        "## Scores",
        "",
        *validated(config, looks),
        "",
        *scored(before, after),
        *troubled(trouble.signs(metrics, list(samples.read(folder)))),
        "## Settings",
        "",
        *settings(config),
        "",
        made_by(config),
        "",
        "## Use",
        "",
        USE.format(repo=repo, env=" ".join(str(config["env"]).split()).replace("`", "")),
        "",
    ]
    return "\n".join(text)


def metadata(config: Row, name: str, levels: Sequence[Row], split: str, licence: str | None) -> str:
    """Return the metadata of the hub in YAML, between its marks: tags, and pass@1 of each level."""
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=f"edgewise/{level['env']}",
            dataset_name=f"{level['env']}, level {level['level']}",
            dataset_config=f"level {level['level']}",  # which the hub tells results apart by
            dataset_split=split,
            metric_type="pass@1",
            metric_value=round(level["pass_at_1"], 4),
            metric_args={"interval_95": [round(level["low"], 4), round(level["high"], 4)]},
        )
        for level in levels
    ]
    start = str(config["agent"])
    is_on_hub = start.startswith("hf:") and start.count("/") == 1
    found = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["edgewise", "reinforcement-learning", "curriculum-learning"],
        base_model=start.removeprefix("hf:") if is_on_hub else None,
        license=licence,
        model_name=name if results else None,
        eval_results=results or None,
    )
    return f"---\n{found.to_yaml()}\n---\n"


def best_line(look: Row) -> list[str]:
    """Return the line that says which step the model is of."""
    score = validation.score_of(look)
    return [
        f"The weights are those of step {look['step']}, whose score on validation problems was the best, "
        f"{score:.3f}; the test scores below are of the end of the run.",
        "",
    ]


def data(config: Row) -> list[str]:
    """Return lines on what the model was trained on."""
    options = config.get("env_options", "{}")
    levels = config.get("levels")
    return [
        f"- Problems of {code(config['env'])}, split train, preset {code(config['preset'])}, "
        + ("all levels that are trained on" if levels is None else f"levels {listed(levels)}")
        + "; no problem is also in the validation or the test split.",
        f"- Arms: {', '.join(code(arm) for arm in config['arms'])}."
        if config["arms"]
        else "- No arms.",
        *([f"- Keywords of the environment: {code(options)}."] if options != "{}" else []),
        *([f"- Data: {code(config['data'])}."] if config.get("data") else []),
        "- Every answer was judged by a verifier of the environment, not by a model.",
    ]


def curriculum(config: Row, metrics: Sequence[Row]) -> list[str]:
    """Return lines on the rule, and the mean probability that it gave each arm."""
    lines = [f"- Rule {code(config['curriculum'])}: {code(json.dumps(config.get('rule')))}."]
    rows = []
    for arm, name in enumerate(config["arms"]):
        chances = [row[found] for row in metrics if (found := f"arm/{arm}_probability") in row]
        if chances:
            rows.append([name, *(f"{chance:.3f}" for chance in (np.mean(chances), chances[-1]))])
    if not rows:
        return lines
    header = ["arm", "mean probability", "at the last step"]
    return [*lines, "", *Sheet("", header, rows).markdown()]


def settings(config: Row) -> list[str]:
    """Return a table of the settings of training, and the hyperparameters in full."""
    found = {name: config.get(name) for name in SETTINGS}
    rows = [[name, str(value)] for name, value in found.items() if value is not None]
    table = Sheet("", ["setting", "value"], rows).markdown()
    more = config.get("hyperparameters")
    return [
        *table,
        *([] if more is None else ["", f"All hyperparameters: {code(json.dumps(more))}."]),
    ]


def made_by(config: Row) -> str:
    """Return the line on the version and the commit."""
    version = config.get("version") or "of before this was recorded"
    commit = config.get("commit") or "none: it was no checkout of one"
    return f"Edgewise {escape(str(version))}, commit {escape(str(commit))}."


def code(value: object) -> str:
    """Return a value as code in Markdown, whatever it holds."""
    return f"`{escape(str(value)).replace('`', chr(39))}`"


def listed(values: Sequence[object]) -> str:
    """Return values with commas between."""
    return ", ".join(map(str, values))
