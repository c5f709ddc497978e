"""Mutated names, rule records, configs and recipes work as they are named or raise one ValueError.

An audit hook tells of each module outside the project that is imported meanwhile, of each file opened
for writing, and of each process and connection. ``python tests/agents/training/test_data_fuzz.py COUNT SEED``
prints the counts.
"""

from __future__ import annotations

import importlib.readers  # noqa: F401  what opens the data of a package imports it late
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("torch")

import edgewise
from edgewise.agents.integrations.trl_config import TRLConfig
from edgewise.agents.integrations.trl_recipe import read_arguments
from edgewise.agents.seedlings.card import load_recipe
from edgewise.agents.soar.config import SOARRunConfig
from edgewise.agents.training.config import TrainConfig, from_record
from edgewise.agents.training.recipe_file import from_fields, read_options
from edgewise.agents.training.replay import make_lesson
from edgewise.benchmarks.studies.plan import Plan
from edgewise.files import read_json
from edgewise.wrappers import make_rule
from edgewise.wrappers.rules.rule_record import from_json, to_json

ROOT = Path(__file__).parents[3]
WRITING = ("w", "a", "x", "+")
STARTING = (
    "subprocess.",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.fork",
    "socket.",
)
CHANGING = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod")
HOSTILE: list[Any] = [
    None, True, False, 0, -1, 2**63, 10**400, -(10**9), 0.5, -0.0, 1e308, "", "x", "\0", "\ud800",
    "subprocess:Popen", "os:system", "stranger:Thing", "__class__", "stranger:Countdown-v0",
    "{numbers.__class__}", "{target:>999999999}", "{0}", "{", "{}", "a" * 5_000, "../../etc/passwd",
    "module", "Mixture-v0", "Taught-v0", "Zebra-v0", "hub", "hub:stranger/data", [], {}, [[]],
    ["touch", "made"], {"task": "subprocess:Popen"}, {"class": "os:system"}, {"rule": "sec"},
    {"__reduce__": ["os:system", ["touch made"]]}, [0] * 300, {"a": {"b": {"c": {}}}},
]  # fmt: skip
HARMLESS: tuple[dict[str, Any], ...] = (
    {"rewards": [1, 0.5, 0]},
    {"answer": "any"},
    {"frame": {"before": "Q: ", "stop": ["\n"]}},
    {"frame": None, "arms": [{"level": 1}]},
)
MAX_MESSAGE = 6_000  # characters; a list of all environments has 5,000
KEYS = (
    "task", "env_id", "requires", "render_mode", "args", "class", "rule", "signal", "__class__",
    "__init__", "preset", "template", "rewards", "answer", "frame", "arms", "levels", "split", "params",
    "entry_point", "kwargs", "wrappers", "vector_kwargs", "max_episode_steps", "function", "part",
    "num_numbers", "max_number", "partial_credit", "data", "problems", "", "x" * 300,
)  # fmt: skip
TEXTS = (
    "NaN",
    "Infinity",
    "1e999",
    "[" * 100_000,
    '{"a":' * 2_000,
    "9" * 5_000,
    "",
    "null",
    "\ud800",
)


def names() -> list[Any]:
    """Return names of problems of cheap environments, as JSON says them."""
    made = [
        gym.make("Countdown-v0"),
        gym.make("Countdown-v0", preset="e2h", rewards=(1.0, 0.5, 0.0), split="test"),
        gym.make("Countdown-v0", template="Make {target} of {numbers}.", frame={"chat": True}),
        gym.make("Zebra-v0", preset="seedling", partial_credit=True),
        gym.make("Arithmetic-v0", arms=[{"level": 1, "params": {"num_operations": 2}}]),
        gym.make("NumberTheory-v0", arms="kind"),
        gym.make("Equations-v0", preset="seedling"),
        gym.make("Taught-v0", problems=[["1+1", "2"], ["2+2", "4"]], partial=0.5),
    ]
    found = []
    for env in made:
        for arm in env.unwrapped.arms[:2]:  # type: ignore[attr-defined]
            found.append(json.loads(env.reset(seed=0, options=arm)[1]["problem"]))
    return found


def rules() -> list[Any]:
    """Return records of rules, of this version and of 0.1."""
    texts = (
        "sec:signal=progress",
        "e2h-gaussian",
        "pac",
        "plr",
        "mopps",
        "subset:arms=[0,1]",
        "rlve",
    )
    made = [to_json(make_rule(text, 10)) for text in texts]
    old = {"class": "edgewise.wrappers.sec:SEC", "temperature": 0.4}
    return [*json.loads(json.dumps(made)), old]


def runs() -> list[Any]:
    """Return configs of runs, with what a replay reads of them."""
    size = {"seed": 0, "num_problems": 4, "group_size": 2, "arms": ["level 1", "level 2"]}
    options = json.dumps({"preset": "e2h", "levels": [1, 2], "frame": {"chat": True}})
    shared = {"env": "Countdown-v0", "env_options": options, "evaluation": {"num_problems": 3}}
    pool = {"names": ["a", "b", "c", "d", "e"], "difficulties": [0.0, 1.0, 2.0, 3.0, 4.0]}
    return [
        {**shared, **size, "rule": rules()[0], "levels": [1, 2], "learning_rate": 1e-6},
        {**shared, **size, "rule": rules()[3], "pool": pool, "lora_targets": ["q_proj"]},
    ]


def files(pattern: str, key: str) -> list[Any]:
    """Return what JSON files of the repository say, those with `key`."""
    found = [json.loads(path.read_text()) for path in sorted(ROOT.glob(pattern))]
    return [one for one in found if key in one]


def read_run(record: Any) -> None:
    """Read a config as `resume` and `replay` do, but for their files."""
    config = from_record(record)
    make_rule(config.curriculum, 10)
    make_lesson(record)


def read_trl(path: Path) -> None:
    """Read a recipe for TRL."""
    config = TRLConfig.from_recipe(path)
    read_arguments(config.arguments)
    read_options(config.env_options, config.env.split(","))


def read_options_of(text: str) -> None:
    """Read keywords of an environment, and make it."""
    options = read_options(text, ["Countdown-v0"])
    gym.make("Countdown-v0", **options)


def harmless(kind: str, value: Any, rng: np.random.Generator) -> Any:
    """Return `value` with its keys in another order, a name also with another frame or rewards."""
    if not isinstance(value, dict):
        return value
    shuffled = {key: value[key] for key in rng.permutation(list(value)).tolist()}
    if kind == "name" and isinstance(value.get("overrides"), dict):
        further = HARMLESS[int(rng.integers(len(HARMLESS)))]
        shuffled["overrides"] = {**value["overrides"], **further}
    return shuffled


def mutate(value: Any, rng: np.random.Generator) -> Any:
    """Return `value` with one part of it changed."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        return mutate_object(dict(value), rng)
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = int(rng.integers(len(value)))
        return [*value[:place], mutate(value[place], rng), *value[place + 1 :]]
    if rng.random() < 0.05:
        deep: Any = value
        for _ in range(int(rng.choice([3, 20, 100]))):
            deep = [deep] if rng.random() < 0.5 else {"a": deep}
        return deep
    if type(value) in (int, float) and rng.random() < 0.4:
        return value + int(rng.integers(-3, 4))
    if isinstance(value, str) and rng.random() < 0.3:
        place = int(rng.integers(len(value) + 1))
        return value[:place] + str(rng.choice(["{", ":", "x", "-", "\0", "é"])) + value[place:]
    return HOSTILE[int(rng.integers(len(HOSTILE)))]


def mutate_object(value: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return an object with a key more or less, renamed, or with another value."""
    keys = list(value)
    key = keys[int(rng.integers(len(keys)))]
    what = rng.random()
    if what < 0.08:
        del value[key]
    elif what < 0.2:
        value[KEYS[int(rng.integers(len(KEYS)))]] = HOSTILE[int(rng.integers(len(HOSTILE)))]
    elif what < 0.25:
        value[KEYS[int(rng.integers(len(KEYS)))]] = value.pop(key)
    else:
        value[key] = mutate(value[key], rng)
    return value


def written(value: Any, rng: np.random.Generator) -> str:
    """Return JSON, now and then damaged."""
    text = json.dumps(value)
    what = rng.random()
    if what < 0.02:
        return TEXTS[int(rng.integers(len(TEXTS)))]
    if what < 0.04:
        return text[: int(rng.integers(len(text)))]
    if what < 0.05:
        return text.replace("1", TEXTS[int(rng.integers(3))], 1)
    return text


class Watch:
    """What happens beside the reading, while it is armed."""

    def __init__(self, scratch: Path) -> None:
        """Begin, unarmed; the hook stays for good. The harness itself writes `scratch` alone."""
        self.events: list[str] = []
        self.armed, self.scratch = False, str(scratch)
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Keep what must not happen."""
        if not self.armed:
            return
        if event == "import" and arguments[0] not in sys.modules:
            if str(arguments[0]).split(".")[0] not in ("edgewise", "numpy"):
                self.events.append(f"import {arguments[0]}")
        elif event == "open":
            path, mode, flags = arguments
            writes = any(letter in (mode or "") for letter in WRITING)
            if str(path) != self.scratch and (
                writes or (isinstance(flags, int) and flags & 0o1103)
            ):
                self.events.append(f"open {path} {mode}")
        elif event.startswith((*STARTING, *CHANGING)):
            self.events.append(event)


def readers(scratch: Path) -> dict[str, tuple[list[Any], Any]]:
    """Return the seeds of each kind, and what reads a text of it; each was read once."""

    def of_file(read: Any) -> Any:
        def read_text(text: str) -> None:
            scratch.write_bytes(text.encode(errors="surrogatepass"))
            read(scratch)

        return read_text

    options = {"preset": "sec", "levels": [1, 2], "arms": [{"level": 1}], "allow_ood": True}
    soar = {"preset": "seedling", "hard": None, "turns": 2, "seed": 1, "output": "runs/a"}
    kinds = {
        "name": (names(), edgewise.pose),
        "options": ([options], read_options_of),
        "rule": (rules(), of_file(lambda path: from_json(read_json(path)))),
        "run": (runs(), of_file(lambda path: read_run(read_json(path)))),
        "soar": ([soar], of_file(lambda path: from_fields(SOARRunConfig, read_json(path)))),
        "recipe": (files("recipes/*-*.json", "algorithm"), of_file(TrainConfig.from_recipe)),
        "pretrain": (files("recipes/*.json", "sources"), of_file(load_recipe)),
        "trl": (files("recipes/trl/*.json", "model"), of_file(read_trl)),
        "plan": (files("benchmarks/plans/*.json", "rules"), of_file(Plan.load)),
    }
    for seeds, read in kinds.values():
        assert seeds
        for seed in seeds:
            read(json.dumps(seed))
    return kinds


def fuzz(count: int, seed: int, scratch: Path) -> dict[str, Any]:
    """Read `count` mutants, and return what came of them."""
    rng, kinds, watch = np.random.default_rng(seed), readers(scratch), Watch(scratch)
    told, wrong, slowest, began = Counter[str](), list[str](), (0.0, ""), time.perf_counter()
    watch.armed = True
    for _ in range(count):
        kind = "name" if rng.random() < 0.4 else list(kinds)[int(rng.integers(len(kinds)))]
        seeds, read = kinds[kind]
        value = seeds[int(rng.integers(len(seeds)))]
        for _ in range(int(rng.integers(1, 4))):
            value = harmless(kind, value, rng) if rng.random() < 0.4 else mutate(value, rng)
        text = written(value, rng)
        start = time.perf_counter()
        try:
            read(text)
            told[f"{kind} worked"] += 1
        except ValueError as error:
            told[f"{kind} refused"] += 1
            if "\n" in str(error) or len(str(error)) > MAX_MESSAGE:
                wrong.append(f"{kind} {text[:300]!r}: {len(str(error))} characters, {error!s:.300}")
        except Exception as error:  # what is looked for
            wrong.append(f"{kind} {text[:300]!r}: {type(error).__name__}: {error!s:.200}")
        slowest = max(slowest, (round(time.perf_counter() - start, 2), f"{kind} {text[:300]}"))
    watch.armed = False
    seconds = round(time.perf_counter() - began, 1)
    counts = dict(sorted(told.items()))
    found = {"told": counts, "seconds": seconds, "slowest": slowest, "wrong": wrong}
    return {**found, "events": watch.events}


def test_mutated_data_works_as_named_or_is_refused_in_one_line(tmp_path):
    found = fuzz(1_000, 0, tmp_path / "scratch.json")
    assert found["wrong"] == [] and found["events"] == []
    worked = {name: count for name, count in found["told"].items() if name.endswith("worked")}
    assert len(worked) == 9 and sum(found["told"].values()) == 1_000


@pytest.mark.slow
def test_a_hundred_thousand_mutants_import_write_and_start_nothing(tmp_path):
    command = [sys.executable, __file__, "100000", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == [] and found["events"] == []
    assert sum(found["told"].values()) == 100_000
    assert list(tmp_path.iterdir()) == []


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(fuzz(int(sys.argv[1]), int(sys.argv[2]), Path(place) / "scratch.json")))
