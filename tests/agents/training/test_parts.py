"""The flags of a training run are read in one module; all others are given its parts."""

import ast
from dataclasses import fields
from pathlib import Path

import pytest

from edgewise.agents.training.config import TrainConfig, complete
from edgewise.agents.training.flags import EvaluationPlan, ValidationPlan

ROOT = Path(__file__).parents[3]
READER = "agents/training/config.py"
FIELDS = {field.name for field in fields(TrainConfig)}
FILES = [
    path
    for folder in ("agents", "benchmarks", "cli")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if str(path.relative_to(ROOT)) != READER
]
READERS = ("getattr", "vars", "asdict")
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def is_config(annotation):
    """Whether an annotation, also one in a text, names the class."""
    return annotation is not None and "TrainConfig" in {
        part.id for part in ast.walk(parsed(annotation)) if isinstance(part, ast.Name)
    }


def parsed(annotation):
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value)
    return annotation


def makers():
    """The names of all functions that return a TrainConfig, in any module, its reader's too."""
    found = {"TrainConfig", "from_recipe"}
    texts = [path.read_text(encoding="utf-8") for path in (*FILES, ROOT / READER)]
    for text in (text for text in texts if "TrainConfig" in text):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and is_config(node.returns):
                found.add(node.name)
    return found


MAKERS = makers()


def makes(node):
    """Whether an expression is a TrainConfig: what a maker returns, or a copy of a config."""
    if not isinstance(node, ast.Call):
        return False
    called = (
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    )
    if called == "from_recipe":
        return (
            isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "TrainConfig"
        )
    if called == "build":
        return is_config(node.args[0])
    return called in MAKERS


def configs(tree):
    """The names, and the attributes of `self`, that hold a TrainConfig."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and is_config(node.annotation):
            found.add(node.arg)
        elif isinstance(node, ast.AnnAssign) and is_config(node.annotation):
            found.add(ast.unparse(node.target))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and (makes(node.value) or ast.unparse(node.value) in found):
            found.update(ast.unparse(target) for target in node.targets)
    return found


def reads(tree):
    """What a module reads of the flags of a TrainConfig, in source text."""
    for scope in [tree, *(node for node in ast.walk(tree) if isinstance(node, FUNCTIONS))]:
        names = configs(scope)
        for node in ast.walk(scope):
            if isinstance(node, ast.Attribute) and node.attr in FIELDS:
                read = node.value
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in READERS:
                read = node.args[0]
            else:
                continue
            if ast.unparse(read) in names or makes(read):
                yield ast.unparse(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_module_reads_a_flag_of_a_run(path):
    text = path.read_text(encoding="utf-8")
    if any(maker in text for maker in MAKERS):  # else it has no config, and reading takes long
        assert not set(reads(ast.parse(text)))


@pytest.mark.parametrize(
    "code",
    [
        "def f(config: TrainConfig): return config.env",
        "def f(asked: 'TrainConfig | None'): return asked.num_steps",
        "def f(): made = complete(TrainConfig()); return made.seed",
        "def f(path): return TrainConfig.from_recipe(path).agent",
        "def f(config: TrainConfig): other = config; return other.levels",
        "class A:\n def __init__(self, config: TrainConfig):\n  self.config = config\n  self.config.env",
        "def f(config: TrainConfig): return getattr(config, 'env')",
        "def f(plan): return build(TrainConfig, plan).seed",
    ],
)
def test_the_check_sees_a_flag_that_is_read(code):
    assert list(reads(ast.parse(code)))


def test_every_flag_but_that_of_the_folder_is_in_a_part():
    """Two configs that differ in a flag differ in a part, or in their folder."""
    base = complete(TrainConfig(preset="sec", chat_date="2026-01-31"))
    others = {
        "env": "Zebra-v0", "curriculum": "random", "pool_size": 7, "algorithm": "rloo",
        "agent": "hf:x", "data": "d", "env_options": '{"rewards": [1, 0, 0]}', "preset": "e2h",
        "levels": (1,), "num_steps": 3, "num_problems": 3, "group_size": 3, "learning_rate": 1.0,
        "temperature": 0.5, "stop": "none", "max_tokens": 3, "max_prompt_tokens": 3, "logprobs": "raw",
        "chat_template_kwargs": '{"a": 1}', "chat_date": "2026-01-30", "seed": 3,
        "checkpoint_every": 3, "keep_checkpoints": 3, "evaluate": False,
        "evaluation": EvaluationPlan(seed=3), "dtype": "bfloat16", "decode_dtype": "bfloat16",
        "lora_rank": 3, "sharding": "fsdp", "device": "cuda", "engine": "vllm",
        "engine_folder": Path("e"), "gradient_checkpointing": True, "threads": 3,
        "eval_every": 3, "keep_samples": 3, "track": ("none",), "allocation": "vip", "max_tokens_per_pass": 3,
    }  # fmt: skip
    apart = {"recipe", "output", "resume", "lora_alpha", "lora_targets", "lora_dropout"}
    apart |= {"validation", "patience"}
    apart |= {
        "attempts",
        "explain",
        "attempt_discount",
        "tools",
    }  # which are put among the keywords
    assert others.keys() | apart == FIELDS
    for name, value in others.items():
        changed = type(base)(**{**vars(base), name: value})
        assert changed.setup != base.setup, name
    adapted = type(base)(**{**vars(base), "lora_rank": 4})
    assert adapted.setup.model.adapters.alpha == 8
    for name, value in {
        "lora_alpha": 2.0,
        "lora_targets": ("k_proj",),
        "lora_dropout": 0.1,
    }.items():
        assert type(base)(**{**vars(adapted), name: value}).setup != adapted.setup
    looked = type(base)(**{**vars(base), "eval_every": 4})
    for name, value in {"validation": ValidationPlan(seed=3), "patience": 2}.items():
        assert type(base)(**{**vars(looked), name: value}).setup != looked.setup
