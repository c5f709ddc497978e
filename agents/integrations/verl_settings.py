"""The command line of verl for a run under a curriculum."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgewise.agents.integrations.verl_config import VerlConfig
from edgewise.agents.training.recipe_file import read_object
from edgewise.errors import shown
from edgewise.vector_env import unwrap_vector

NAMES = "pkg://edgewise.agents.integrations.verl"  # the module that verl imports ours from
MODULES = {  # what is run, by where the rule's feedback comes from
    "buffer": "verl.trainer.main_ppo",
    "trainer": "edgewise.agents.integrations.verl_main",
}
ESTIMATORS = {"grpo": "grpo", "rloo": "rloo", "ppo": "gae"}
TOLD = (  # the flags that the dataset reads, in data.edgewise
    "env", "preset", "env_options", "curriculum", "pool_size", "num_steps", "num_problems",
    "group_size", "seed", "num_test", "chat_date", "chat_template_kwargs", "max_tokens",
    "max_prompt_tokens", "model", "algorithm", "learning_rate", "feedback", "output",
)  # fmt: skip
LAG = "a batch would be drawn before the one before has taught the rule"
LOCKED = {  # settings that a curriculum depends on, and why they cannot be changed
    "trainer.v1.trainer_mode": f"with an asynchronous trainer {LAG}",
    "trainer.use_v1": "the trainer before that has no place to tell the rule",
    "trainer.v1.sampler.custom_sampler": "the sampler is what tells the rule",
    "trainer.v1.sampler.sync_refill_failed_groups": f"with it {LAG}",
    "algorithm.filter_groups": "the rule would not hear of groups that verl drops",
    "reward.reward_model.enable": "rewards must be known when a batch is complete",
    "data.dataloader_num_workers": f"with workers {LAG}",
    "data.shuffle": "the curriculum is the order",
    "data.custom_cls": "the dataset is the curriculum",
    "data.train_files": "the curriculum names the split",
    "data.val_files": "the curriculum names the split",
    "data.gen_batch_size": f"with another size {LAG}",
    "data.train_batch_size": "--num-problems sets it",
    "actor_rollout_ref.rollout.n": "--group-size sets it",
    "trainer.total_training_steps": "--num-steps sets it",
    "trainer.default_local_dir": "--output sets it",
    "trainer.resume_mode": "--resume sets it",
}
SECTIONS = ("actor_rollout_ref", "algorithm", "critic", "data", "reward", "trainer")
RUNS_CODE = re.compile(  # parts of names of settings that name code, files or addresses
    r"^_|path|class|cls|custom|(?<!target_)(?<!exclude_)module|target_$|_lib|hook|tool|agent_|engine"
    r"|template|(?<!^val_)kwargs|override|profiler|code|dir|server|tokenizer|prometheus|trace|hdfs"
    r"|edgewise"
)


def command(config: VerlConfig) -> list[str]:
    """Return what starts verl: the module of Python, and verl's settings.

    Raises:
        ValueError: If a setting is refused.
    """
    return ["-m", MODULES[config.feedback], *overrides(config)]


def printed(config: VerlConfig) -> str:
    """Return the command line for a shell, a setting a line."""
    words = [shlex.quote(word) for word in command(config)]
    return " \\\n    ".join([f"python {words[0]} {words[1]}", *words[2:]])


def overrides(config: VerlConfig) -> list[str]:
    """Return verl's settings: ours, then those of the recipe, then those of the command line.

    Raises:
        ValueError: If one is of those that the curriculum depends on, or a recipe names code.
    """
    own = {**of_curriculum(config), **of_run(config)}
    given = dict(flattened(read_object(config.arguments, "arguments")))
    for name, value in given.items():
        refuse_code(name, value)
        refuse_locked(name, spell(value), own)
    for word in config.overrides:
        name, _, value = word.partition("=")
        refuse_locked(name.lstrip("+~"), value, own)
    told = {f"+data.edgewise.{name}": value for name, value in flags(config).items()}
    chosen = {**own, **given, **told}
    return [*(f"{name}={spell(value)}" for name, value in chosen.items()), *config.overrides]


def of_curriculum(config: VerlConfig) -> dict[str, Any]:
    """Return the settings that a curriculum needs, whatever is trained."""
    settings = {
        "data.custom_cls.path": NAMES,
        "data.custom_cls.name": "EdgewiseDataset",
        "data.train_files": "train",
        "data.val_files": "test",
        "data.shuffle": False,
        "data.dataloader_num_workers": 0,
        "trainer.v1.trainer_mode": "sync",
        "trainer.v1.sampler.custom_sampler.path": NAMES,
        "trainer.v1.sampler.custom_sampler.name": "CurriculumBuffer",
    }
    if config.loop == "edgewise":
        return {**settings, "actor_rollout_ref.rollout.agent.default_agent_loop": "edgewise"}
    return {
        **settings,
        "reward.custom_reward_function.path": NAMES,
        "reward.custom_reward_function.name": "compute_score",
    }


def of_run(config: VerlConfig) -> dict[str, Any]:
    """Return the settings that follow from the other flags.

    Raises:
        ValueError: If lengths are left out, and the environments whose presets have them are refused.
    """
    prompt, response = lengths(config)
    output = config.output.absolute()
    critic = {"critic.model.path": config.model} if config.algorithm == "ppo" else {}
    return {
        **critic,
        "algorithm.adv_estimator": ESTIMATORS[config.algorithm],
        "data.train_batch_size": config.num_problems,
        "data.max_prompt_length": prompt,
        "data.max_response_length": response,
        "actor_rollout_ref.model.path": config.model,
        "actor_rollout_ref.actor.optim.lr": config.learning_rate,
        "actor_rollout_ref.actor.ppo_mini_batch_size": config.num_problems
        // config.num_minibatches,
        "actor_rollout_ref.rollout.name": config.engine,
        "actor_rollout_ref.rollout.n": config.group_size,
        "trainer.n_gpus_per_node": config.num_gpus,
        "trainer.nnodes": config.num_machines,
        "trainer.total_epochs": 1,
        "trainer.total_training_steps": config.num_steps,
        "trainer.save_freq": config.checkpoint_every,
        "trainer.test_freq": config.eval_every or -1,
        "trainer.val_before_train": config.eval_every is not None,
        "trainer.logger": ["console"],
        "trainer.project_name": "edgewise",
        "trainer.experiment_name": output.name,
        "trainer.default_local_dir": output,
        "trainer.resume_mode": "auto" if config.resume else "disable",
        "hydra.run.dir": output / "hydra",
    }


def lengths(config: VerlConfig) -> tuple[int, int]:
    """Return the most tokens of a prompt and of a completion, by default those of the presets."""
    longest = config.max_prompt_tokens or 0, config.max_tokens or 0
    if all(longest):
        return longest
    frames = [member.preset.frame for member in unwrap_vector(config.envs()).env.members]
    prompt = longest[0] or max(frame.max_prompt_tokens for frame in frames)
    return prompt, longest[1] or max(frame.max_completion_tokens for frame in frames)


def flags(config: VerlConfig) -> dict[str, Any]:
    """Return the flags that the dataset reads, but those that are left out."""
    told = {name: getattr(config, name) for name in TOLD}
    told["output"] = config.output.absolute()
    told["max_prompt_tokens"], told["max_tokens"] = lengths(config)
    return {name: value for name, value in told.items() if value is not None}


def flattened(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each setting of a nested mapping, its name with dots."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def refuse_code(name: str, value: Any) -> None:
    """Check that a setting of a recipe names nothing that is imported, run or read.

    Raises:
        ValueError: If it does, or is none of verl's.
    """
    parts = name.split(".")
    if parts[0] not in SECTIONS or any(RUNS_CODE.search(part) for part in parts[1:]):
        raise ValueError(
            f"`arguments` must not name {name!r}, which a recipe may not decide; give it on the "
            f"command line: {name}=..."
        )
    if not re.fullmatch(r"\w+(\.\w+)+", name):
        raise ValueError(f"`arguments` must name settings of verl, got {shown(name)}")
    spell(value)


def refuse_locked(name: str, value: str, own: Mapping[str, Any]) -> None:
    """Check that a setting is none that the curriculum depends on, or as it must be.

    Raises:
        ValueError: If it is another.
    """
    if name in own and value == spell(own[name]):
        return
    for locked, reason in LOCKED.items():
        if name == locked or name.startswith(f"{locked}."):
            must = f" = {spell(own[locked])}" if locked in own else " left out"
            raise ValueError(
                f"`{locked}` must be{must} under a curriculum, got {shown(value)}: {reason}"
            )


def spell(value: Any) -> str:
    r"""Return a value in the grammar of verl's command line, that of Hydra.

    >>> spell(None), spell(True), spell(1e-06), spell(["a b", 2])
    ('null', 'true', '1e-06', "['a b',2]")
    >>> spell("sec:temperature=0.2"), spell("it's")
    ("'sec:temperature=0.2'", "'it\\'s'")

    Raises:
        ValueError: If it cannot be said, or would be replaced by something else.
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(spell, value))}]"
    if not isinstance(value, (str, Path)):
        raise ValueError(f"`arguments` must have texts, numbers and lists, got {shown(value)}")
    text = str(value)
    if "${" in text or "\n" in text or text.endswith("\\"):
        raise ValueError(
            f"`arguments` must have texts of one line without '${{', got {shown(text)}"
        )
    if re.fullmatch(r"[A-Za-z/][\w./:-]*", text) and text.lower() not in ("true", "false", "null"):
        return text
    return "'" + re.sub(r"(\\*)'", r"\1\1\\'", text) + "'"
