"""Score actions: extract answers, ask the task, and apply the rules of attempts and tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from edgewise.answer import without_markers
from edgewise.attempts import HOW, AttemptRules
from edgewise.outcome import History, Outcome, answers_of_attempt, unfinished
from edgewise.task import Preset, Task
from edgewise.tools import ToolRules


class Rules(Protocol):
    """What decides how an action is scored; a `ReasoningEnv` has it."""

    task: Task[Any]
    preset: Preset
    attempts: AttemptRules | None
    tools: ToolRules | None

    def extract(self, action: str) -> str | None:
        """Return the answer in a completion, None without one."""


def judge(
    env: Rules,
    problems: Sequence[Any],
    histories: Sequence[History],
    actions: Sequence[str],
) -> list[Outcome]:
    """Score one action of each problem, after the outcomes of its episode so far.

    Args:
        env: The environment, of one task.
        problems: That it has posed.
        histories: The outcomes of the earlier actions of each episode.
        actions: What a model wrote.

    Raises:
        TypeError: If an action is no text.
    """
    if wrong := [action for action in actions if not isinstance(action, str)]:
        raise TypeError(f"`action` must be a str, got {type(wrong[0]).__name__}")
    neither = env.preset.rewards[2]
    outcomes = [Outcome("", neither, True, False, False, None)] * len(actions)
    answers: dict[int, str] = {}
    for i, (history, action) in enumerate(zip(histories, actions, strict=True)):
        said = unfinished(history)
        called = None if env.tools is None else env.tools.reply(history, said, action, neither)
        if called is not None:
            outcomes[i] = called
        elif (answer := env.extract(without_markers(said) + action)) is not None:
            answers[i] = answer
    turns = env.task.turn_many(
        [problems[i] for i in answers],
        [(*answers_of_attempt(histories[i]), answer) for i, answer in answers.items()],
    )
    formatted = env.preset.rewards[1]
    for (i, answer), turn in zip(answers.items(), turns, strict=True):
        paid = turn.done and turn.correct is not None
        reward = formatted + (env.preset.rewards[0] - formatted) * turn.credit if paid else 0.0
        outcomes[i] = Outcome(
            turn.observation, reward, turn.done, turn.correct, True, answer, turn.truncated
        )
    if env.attempts is None:
        return outcomes
    return [with_attempts(env, *one) for one in zip(problems, histories, outcomes, strict=True)]


def with_attempts(env: Rules, problem: Any, history: History, outcome: Outcome) -> Outcome:
    """Apply the rules of attempts to an outcome that may end one."""
    assert env.attempts is not None
    if not outcome.done or outcome.num_calls:
        return outcome
    reason = ""
    if outcome.answer is None:
        reason = HOW[env.preset.answer]
    elif env.attempts.explain and outcome.correct is False:
        reason = env.task.explain(problem, outcome.answer)
    return env.attempts.after(outcome, history, env.preset.rewards[1], reason)


def takes_turns(env: Rules, problem: Any) -> bool:
    """Return whether an episode may have more than one turn."""
    if env.tools is not None or (env.attempts is not None and env.attempts.most > 1):
        return True
    return type(env.task).turn is not Task.turn and not env.task.turn(problem, [""]).done
