"""The environment: a prompt is observed, a completion is the action."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded

from edgewise.answer import extract_answer
from edgewise.attempts import AttemptRules, attempt_rules
from edgewise.errors import shown, unknown
from edgewise.frame import Frame
from edgewise.judging import judge
from edgewise.outcome import History, Outcome
from edgewise.registration import Division, division_name, make_task, require
from edgewise.row_order import RowOrder, rekey
from edgewise.task import SPLITS, Task, override_preset
from edgewise.text import UnicodeText
from edgewise.tools import ToolRules, tool_rules

OPTIONS = {"level", "params", "problem_seed"}
NONE: Mapping[str, Any] = {}
Arms = str | Division | Sequence[Mapping[str, Any]] | None  # as `ReasoningEnv` takes them
MAX_SEED = 2**63
MAX_PROBLEM_SEEDS = 10_000  # looked at for an evaluation set
MAX_REDRAWS = 1_000  # of problems that do not fit, or as many as there are rows


class ReasoningEnv(gym.Env[str, str]):
    """Pose the problems of a task, one an episode.

    Example:
        >>> env = gym.make("Countdown-v0", levels=(1, 2))
        >>> prompt, info = env.reset(seed=0)
        >>> again, _ = env.reset(options={key: info[key] for key in ("level", "problem_seed")})
        >>> again == prompt == edgewise.pose(info["problem"]).render()
        True

    Args:
        task: The class, or its "module:Name".
        env_id: The name in the registry, for the names of problems.
        requires: The extra of the package that the task needs.
        preset: The name of a preset of the task; the first by default.
        levels: The levels to draw from; the training levels by default.
        split: "train", "validation" or "test"; no problem is in two.
        template: Of the prompt; it names fields that the task fills in, such as {target}, and
            nothing else.
        rewards: Of an answer that is correct, of one that is not, and of none.
        answer: The format of answers: "boxed", "answer", "think_answer" or "any".
        thought: "closed" takes no answer from within a thought, "begun" neither where the model's
            chat template opens one; "open" searches all the text.
        frame: What `PromptFormat` puts around the prompt, or its fields.
        arms: What a curriculum chooses among: a list of options of `reset`, a division that the
            task knows, such as "subject", or for a data set a function that returns the label of
            a problem, or the name under which `register_division` has one; the levels by
            default.
        attempts: How many there are at a problem, or rules of them, see `wrappers.Attempts`.
        tools: What a completion may ask for, a list of names or rules, see `wrappers.Tools`.
        allow_ood: Whether levels kept out of training may be trained on.
        render_mode: "ansi" makes `render` return the prompt.
        task_options: The fields of the task.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}
    problem: Any = None  # the one posed
    attempts: AttemptRules | None = None
    tools: ToolRules | None = None
    fits: Callable[[Any], bool] | None = None  # which problems are not drawn again

    def __init__(
        self,
        task: str | type[Task[Any]],
        *,
        env_id: str | None = None,
        requires: str | None = None,
        preset: str | None = None,
        levels: Sequence[int] | None = None,
        split: str = "train",
        template: str | None = None,
        rewards: tuple[float, float, float] | None = None,
        answer: str | None = None,
        thought: str | None = None,
        frame: Frame | Mapping[str, Any] | None = None,
        arms: Arms = None,
        attempts: AttemptRules | Mapping[str, Any] | int | None = None,
        tools: ToolRules | Mapping[str, Any] | Sequence[Any] | None = None,
        allow_ood: bool = False,
        render_mode: str | None = None,
        **task_options: Any,
    ) -> None:
        """Take from the preset what is not given.

        Raises:
            ValueError: If the preset, a level, the split or another argument is none that there is.
        """
        if requires is not None:
            require(requires)
        self.task: Task[Any] = make_task(task, task_options, env_id)
        if split not in SPLITS:
            raise ValueError(unknown("split", split, SPLITS))
        parts = {
            "template": template, "rewards": rewards, "answer": answer, "thought": thought,
            "frame": frame,
        }  # fmt: skip
        self.preset_name, self.preset, overrides = override_preset(
            self.task, preset, parts, task_options
        )
        if self.preset.task_options:
            self.task = type(self.task)(**{**self.preset.task_options, **task_options})
        if template is not None:
            self.task.check_template(template)
        self.split, self.render_mode = split, render_mode
        self.identity: dict[str, Any] = {"env": env_id, "overrides": overrides, "split": split}
        closed = () if allow_ood or split != "train" else self.preset.ood
        self.allowed = [level for level in self.preset.levels if level not in closed]
        self.levels = self.make_levels(levels)
        self.arms = self.make_arms(arms)
        self.observation_space, self.action_space = UnicodeText(), UnicodeText()
        self.order, self.place = RowOrder(), 0  # a mixture sets both
        self._history, self._done = tuple[Outcome, ...](), True
        self.members: list[ReasoningEnv] = [self]  # a mixture has several
        self.play_by(attempt_rules(attempts), tool_rules(tools))
        self._num_unfit = 0
        self._rng = np.random.Generator(np.random.Philox(key=0))

    def play_by(self, attempts: AttemptRules | None = None, tools: ToolRules | None = None) -> None:
        """Play by `attempts` and `tools` too, from the next `reset` on; names of problems say so.

        Raises:
            ValueError: If there are such rules already.
        """
        for name, rules in (("attempts", attempts), ("tools", tools)):
            if rules is not None and getattr(self, name) is not None:
                raise ValueError(f"`{name}` must be given once, got two")
        overrides = self.identity["overrides"]
        if attempts is not None:
            self.attempts, overrides["attempts"] = attempts, asdict(attempts)
        if tools is not None:
            self.tools = tools
            frame = {"stop": tuple(dict.fromkeys([*self.preset.frame.stop, *tools.stops]))}
            self.preset = self.preset.override({"frame": frame})
        if attempts is not None or tools is not None:
            self.preset_name, self._done = f"{self.preset_name.rstrip('+')}+", True
        if self.tools is not None:
            overrides.pop("tools", None)  # last, whichever was given first
            overrides["tools"] = self.tools.record()
        self._name = json.dumps(self.identity)[:-1]

    def make_levels(self, levels: Sequence[int] | None) -> tuple[int, ...]:
        """Return the levels to draw from, checked.

        Raises:
            ValueError: If a level is none of those that are allowed.
        """
        if levels is None:
            ladder = self.preset.levels.items()
            own = {level: params for level, params in ladder if level not in self.preset.ood}
            return self.task.levels_of(self.split, own)
        if not levels or not set(levels) <= set(self.allowed):
            place = f"{self.preset_name!r} ({self.split})"
            raise ValueError(
                f"`levels` must be among {self.allowed} of {place}, got {shown(levels)}"
                f"{self.preset.excuse(levels)}"
            )
        return tuple(levels)

    def make_arms(self, arms: Arms) -> list[dict[str, Any]]:
        """Return the arms, each checked; a function that has no name gets one for this process."""
        if arms is None:
            return [{"level": level} for level in self.levels]
        if callable(arms):
            arms = division_name(arms)
        if isinstance(arms, str):
            parts = self.task.divisions(arms)
            arms = [{"level": level, "params": part} for level in self.levels for part in parts]
        rng = np.random.default_rng(0)
        for arm in arms:
            self.choose(rng, {"problem_seed": 0, **arm})
        return [dict(arm) for arm in arms]

    def choose(
        self, rng: np.random.Generator, options: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Fill in a missing level and problem seed at random.

        A problem that does not pass `fits` is drawn again, from the same level and parameters.

        Raises:
            ValueError: If `options` name something else, or a seed that no problem has.
        """
        options = dict(options or {})
        if not options.keys() <= OPTIONS:
            raise ValueError(
                f"`options` may name 'level', 'params' and 'problem_seed', got {options}"
            )
        level = options.get("level")
        if level is None:
            level = self.levels[int(rng.random() * len(self.levels))]
        self.check_level(level)
        level, params = int(level), dict(options.get("params") or {})
        seed = options.get("problem_seed")
        size = self.task.num_rows(self.split, **{**self.preset.levels[level], **params})
        if seed is None:
            seed = self.choose_seed(rng, level, params, size)
        elif not isinstance(seed, (int, np.integer)) or not 0 <= seed < (size or MAX_SEED):
            raise ValueError(
                f"`problem_seed` must be an int in [0, {size or MAX_SEED}), got {seed!r}"
            )
        return {"level": level, "params": params, "problem_seed": int(seed)}

    def check_level(self, level: Any) -> None:
        """Raise ValueError if no problem of `level` may be posed."""
        if level not in self.allowed:
            excuse = self.preset.excuse([level])
            raise ValueError(f"`level` must be in {self.allowed}, got {level!r}{excuse}")

    def choose_seed(
        self, rng: np.random.Generator, level: int, params: Mapping[str, Any], size: int | None
    ) -> int:
        """Return the seed of a problem of `params` that fits; `size` is the count of rows, if there are any.

        Raises:
            ValueError: If none of many problems of the level fits.
        """
        arm = "" if size is None else json.dumps([self.place, level, params], sort_keys=True)
        for _ in range(max(size or 0, MAX_REDRAWS)):
            if size is None:
                seed = int(rng.bit_generator.random_raw()) >> 1
            else:
                seed = self.order.next(rng, arm, size)
            if self.fits is None or self.fits(self.draw(level, seed, params)):
                return seed
            self._num_unfit += 1
        raise ValueError(f"`level` must have problems that fit, got none of {level} {dict(params)}")

    @property
    def num_unfit(self) -> int:
        """How many problems have been drawn again, since they did not fit."""
        return sum(member._num_unfit for member in self.members)

    def pose(self, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the problem of `options`, which `choose` made, and its name."""
        level, seed, params = options["level"], options["problem_seed"], options["params"]
        problem = self.draw(level, seed, params)
        key = self.key_of(problem)
        extra = json.dumps(params) if params else "{}"
        name = (
            f'{self._name}, "level": {level}, "params": {extra}, '
            f'"problem_seed": {seed}, "key": "{key}"}}'
        )
        notes = self.task.notes(problem)
        return problem, {"level": level, "problem_seed": seed, "problem": name, **notes}

    def key_of(self, problem: Any) -> str:
        """Return the hash of the content of `problem`, which its name has."""
        return hashlib.sha256(self.task.canonical(problem).encode()).hexdigest()[:16]

    def draw(self, level: int, problem_seed: int, params: Mapping[str, Any] = NONE) -> Any:
        """Return the problem of `level`, `problem_seed` and `params`, which go before the level's."""
        rekey(self._rng, problem_seed, level)
        arguments = {**self.preset.levels[level], **params}
        return self.task.draw(self._rng, problem_seed, self.split, **arguments)

    def prompt(self, problem: Any) -> str:
        """State `problem` as the preset does, and the tools if there are any."""
        text = self.task.prompt(problem, self.preset.template)
        return text if self.tools is None else text + self.tools.describe()

    def frame_of(self, problem: Any) -> Frame:
        """Return the frame that `PromptFormat` puts around the prompt of `problem`."""
        return self.preset.frame

    def demonstrate(self, problem: Any, answers: Sequence[str] = ()) -> str:
        """Return a worked trace of the next turn, after `answers`, in the preset's answer format.

        All turns together earn the full reward.
        """
        return self.as_completion(self.task.next_turn(problem, answers))

    def as_completion(self, trace: str) -> str:
        """Return a trace that ends in a box in the preset's answer format."""
        if self.preset.answer in ("any", "boxed"):
            return trace
        tagged = f"<answer>{extract_answer(trace, 'boxed')}</answer>"
        thought = trace if self.preset.answer == "answer" else f"<think>{trace}</think>"
        return f"{thought} {tagged}"

    def score(
        self, problems: Sequence[Any], histories: Sequence[History], actions: Sequence[str]
    ) -> list[Outcome]:
        """Score one action of each problem, after the outcomes of its episode, `histories`.

        Raises:
            TypeError: If an action is no text.
        """
        return judge(self, problems, histories, actions)

    def extract(self, action: str) -> str | None:
        """Return the answer in a completion as the preset's format finds it; None without one."""
        frame = self.preset.frame
        begun = frame.after.removesuffix(frame.opening).rpartition("</think>")[2]
        return extract_answer(action, self.preset.answer, self.preset.thought, "<think>" in begun)

    @property
    def anticipates(self) -> bool:
        """Return whether the task makes use of `anticipate`."""
        return type(self.task).anticipate is not Task.anticipate

    def anticipate(self, problem: Any, action: str) -> None:
        """Let the task begin to verify an action that is likely to be scored soon, as the first."""
        answer = self.extract(action)
        if answer is not None:
            self.task.anticipate(problem, answer)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Pose a problem, and return its prompt and its name."""
        super().reset(seed=seed)
        if seed is not None:
            self.order.restart()
        self.problem, info = self.pose(self.choose(self.np_random, options))
        self._history, self._done = (), False
        return self.prompt(self.problem), info

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Score a completion; the episode ends unless there are more turns.

        It is terminated by a verdict, and truncated by a limit of turns or calls. A completion that
        could not be verified is not "verified" in the info, and not "correct"; where an observation
        "continues" it, as the result of a tool does, the next action goes on with the same text.

        Raises:
            ResetNeeded: If no problem is posed.
        """
        if self._done:
            raise ResetNeeded("call `reset` before `step`")
        outcome = self.score([self.problem], [self._history], [action])[0]
        self._history, self._done = (*self._history, outcome), outcome.done
        info = {key: getattr(outcome, key) for key in ("verified", "formatted", "answer")}
        info |= {"correct": outcome.correct is True, "continues": bool(outcome.said)}
        terminated = outcome.done and not outcome.truncated
        return outcome.observation, outcome.reward, terminated, outcome.truncated, info

    def render(self) -> str | None:
        """Return the prompt."""
        return None if self.problem is None else self.prompt(self.problem)

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next `reset` depends on."""
        return {"rng": self.np_random.bit_generator.state, "order": self.order.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.np_random.bit_generator.state = state["rng"]
        self.order.load_state_dict(state["order"])


def unwrap(env: gym.Env[Any, Any]) -> ReasoningEnv:
    """Return the `ReasoningEnv` under any wrappers.

    Raises:
        ValueError: If the innermost environment is another.
    """
    base = env.unwrapped
    if not isinstance(base, ReasoningEnv):
        raise ValueError(f"`env` must be a ReasoningEnv, under any wrappers, got {base}")
    return base


def evaluation_set(env: gym.Env[str, str], level: int, size: int = 200) -> list[dict[str, Any]]:
    """Return the options of the first `size` distinct problems of problem seeds 0, 1, 2, ...

    They are the same on every machine: the test set of a level, if the split of `env` is "test".
    There are fewer where the first 10,000 seeds, or all rows, give no more.

    Example:
        >>> env = gym.make("Countdown-v0", split="test")
        >>> chosen = evaluation_set(env, level=1, size=20)
        >>> prompts = {env.reset(options=options)[0] for options in chosen}
        >>> len(prompts)
        20
    """
    base = unwrap(env)
    base.check_level(level)
    rows = base.task.num_rows(base.split, **base.preset.levels[level])
    chosen: dict[str, dict[str, Any]] = {}
    for seed in range(MAX_PROBLEM_SEEDS if rows is None else min(rows, MAX_PROBLEM_SEEDS)):
        options = {"level": level, "params": {}, "problem_seed": seed}
        chosen.setdefault(base.task.canonical(base.draw(level, seed)), options)
        if len(chosen) == size:
            break
    return list(chosen.values())
