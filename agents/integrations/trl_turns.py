"""Problems in turns for TRL, as its `environment_factory`: the model acts by calling a function.

    GRPOTrainer(model, trl_turns.reward, args, rows, environment_factory=TurnEnvironment)

where a row has a "prompt" of messages and a "problem", its name, as `edgewise export --layout trl-turns`
writes them. A group is of one row, so all its members are posed the same problem, and each answers it
on its own. With a trainer of `edgewise.agents.integrations.trl` there are no rows: the curriculum names the problems.

TRL knows turns only as calls of functions, so the tokenizer needs a chat template that TRL can read
calls from, such as those of Qwen2.5 and Qwen3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.agents.integrations.named import posed
from edgewise.env import ReasoningEnv
from edgewise.frame import Frame, Message
from edgewise.outcome import Outcome
from edgewise.scoring import whole
from edgewise.wrappers.vector import Curriculum

HOW = "\nCall the function `act` for each action."
OVER = "This is the end."
ANSWERS = {  # an action, as the answer format of a preset has it
    "any": r"\boxed{{{}}}",
    "boxed": r"\boxed{{{}}}",
    "answer": "<answer>{}</answer>",
    "think_answer": "<think>...</think> <answer>{}</answer>",
}


class TurnEnvironment:
    r"""One member of a group: what TRL resets, and whose `act` the model calls.

    Example:
        >>> env = gym.make("Blocksworld-v0", interactive=True)
        >>> _, info = env.reset(seed=0)
        >>> turns = TurnEnvironment()
        >>> turns.reset(info["problem"])
        '\nCall the function `act` for each action.'
        >>> plan = env.unwrapped.task.solve(env.unwrapped.problem).splitlines()
        >>> [turns.act(action) for action in plan][-1], reward([turns])
        ('This is the end.', [3.0])
    """

    def __init__(self) -> None:
        """Begin without a problem."""
        self._env: ReasoningEnv | None = None
        self._history: list[Outcome] = []
        self._actions: list[str] = []

    def reset(self, problem: str, **columns: Any) -> str:
        """Start a named problem, and return what follows its prompt; other `columns` of its row are not read.

        Raises:
            ValueError: If the name is of another version of its environment, or of none.
        """
        self._env = posed(problem)
        self._history, self._actions = [], []
        return HOW

    def act(self, action: str) -> str:
        """Take the next action.

        Args:
            action: One action, in the words of the task.

        Returns:
            What is so after it.

        Raises:
            ValueError: If `action` is no text.
        """
        env = self._env
        if env is None or is_over(self):
            return OVER
        if not isinstance(action, str):  # TRL tells the model
            raise ValueError(f"`action` must be a text, got {action!r}")
        text = ANSWERS[env.preset.answer].format(action)
        [outcome] = env.score([env.problem], [self._history], [text])
        self._actions.append(text)
        self._history.append(outcome)
        return OVER if outcome.done else outcome.observation


def is_over(environment: TurnEnvironment) -> bool:
    """Return whether the episode has ended."""
    return bool(environment._history) and environment._history[-1].done


def actions_of(environment: TurnEnvironment) -> list[str]:
    """Return the actions so far, as answers in the format of the preset."""
    return list(environment._actions)


def reward(environments: Sequence[TurnEnvironment], **columns: Any) -> list[float]:
    """Return the reward of each episode; a reward function for TRL.

    One that stopped before the end gave no further answer, and earns what that does.
    """
    return [earned(environment) for environment in environments]


def earned(environment: TurnEnvironment) -> float:
    """Return the reward of an episode."""
    env = environment._env
    if env is None:
        raise ValueError("`environments` must have been reset")
    history = list(environment._history)
    while not (history and history[-1].done):
        history += env.score([env.problem], [history], [""])
    return whole(history).reward


def messages(frame: Frame, prompt: str) -> list[Message]:
    """Return the system message of a chat, if there is one, and the prompt.

    How an answer begins is left out, for it begins with a call.
    """
    chat = frame if frame.chat else Frame()
    return [message for message in chat.messages(prompt) if message["role"] != "assistant"]


def answer(curriculum: Curriculum, own: slice, texts: Sequence[str]) -> list[float]:
    """Answer this rank's problems in one turn; return their rewards.

    Args:
        curriculum: Around the environments of all ranks, which remembers.
        own: This rank's of them.
        texts: The answer to each.

    Raises:
        ValueError: If there are more turns.
    """
    rewards, ended = step(curriculum, own, texts)
    if not ended.all():
        raise ValueError(
            "`curriculum` must be of problems that are answered in one turn, "
            "unless there is an `environment_factory`"
        )
    return [float(each) for each in rewards]


def play(curriculum: Curriculum, own: slice, turns: Sequence[Sequence[str]]) -> list[float]:
    """Answer this rank's problems in turns; return their rewards.

    Args:
        curriculum: Around the environments of all ranks, which remembers.
        own: This rank's of them.
        turns: The actions of each; after them come answers that are none, until the end.
    """
    earned = np.zeros(len(turns))
    ended = np.zeros(len(turns), dtype=np.bool_)
    number = 0
    while not ended.all():
        texts = [actions[number] if number < len(actions) else "" for actions in turns]
        rewards, ended = step(curriculum, own, texts)
        earned, number = earned + rewards, number + 1
    return [float(each) for each in earned]


def step(
    curriculum: Curriculum, own: slice, texts: Sequence[str]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Step this rank's environments alone; return their rewards, and which are done."""
    actions = np.full(curriculum.num_envs, None, dtype=object)
    actions[own] = list(texts)
    _, rewards, ended, truncated, _ = curriculum.step(actions.tolist())
    return rewards[own], (ended | truncated)[own]
