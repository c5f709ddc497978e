"""The suites as tasks of Inspect, with the test sets of `edgewise eval`: `inspect eval edgewise/sec`.

`edgewise/problems` asks one environment: `inspect eval edgewise/problems -T env=Countdown-v0 -T preset=e2h`.
Levels are groups, and errors are clustered over the answers to a problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageSystem,
    ChatMessageUser,
    ContentReasoning,
    ContentText,
)
from inspect_ai.scorer import Score, Scorer, Target, grouped, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from edgewise.agents.integrations.export import chat
from edgewise.agents.integrations.named import score
from edgewise.agents.integrations.versions import Tested
from edgewise.agents.policies.options import Sampling
from edgewise.agents.training.recipe_file import read_options
from edgewise.benchmarks.evaluation.question import Question, checksum, open_part
from edgewise.benchmarks.evaluation.suite import GREEDY, OWN, Part, parts_of
from edgewise.registration import check_id, short_id

INSPECT = Tested(
    "inspect_ai", "edgewise.benchmarks.evaluation.inspect_tasks", "0.3.285", "0.4", "inspect_ai"
)
INSPECT.check(version("inspect_ai"))


@task  # type: ignore[untyped-decorator]
def sec(num_problems: int = 200) -> Task:
    """Ask the suite of SEC, 2505.14970: its environments that are at hand."""
    return task_of_parts(parts_of("sec"), num_problems)


@task  # type: ignore[untyped-decorator]
def e2h(num_problems: int = 200) -> Task:
    """Ask the suite of E2H, 2506.06632: its environments that are at hand."""
    return task_of_parts(parts_of("e2h"), num_problems)


@task  # type: ignore[untyped-decorator]
def soar(num_problems: int = 200) -> Task:
    """Ask the suite of SOAR, 2601.18778: its environments that are at hand."""
    return task_of_parts(parts_of("soar"), num_problems)


@task  # type: ignore[untyped-decorator]
def problems(
    env: str = "Countdown-v0",
    preset: str | None = None,
    levels: str | int | Sequence[int] | None = None,
    split: str = "test",
    num_problems: int = 200,
    env_options: str = "{}",
) -> Task:
    """Ask one environment, greedily or as Inspect's own flags say.

    Args:
        env: Environment id.
        preset: Ladder of levels and prompts; by default the first.
        levels: One, or several with commas between; by default all.
        split: Whose problems they are.
        num_problems: Of each level.
        env_options: Further keywords of the environment, JSON.
    """
    check_id(env)
    chosen = [levels] if isinstance(levels, int) else levels
    if isinstance(chosen, str):
        chosen = [int(level) for level in chosen.split(",")]
    part = Part(OWN, env, preset, GREEDY, options=read_options(env_options, [env]))
    return task_of_parts([part], num_problems, split, chosen)


def task_of_parts(
    parts: Sequence[Part],
    num_problems: int,
    split: str = "test",
    levels: Sequence[int] | None = None,
) -> Task:
    """Return a task of all problems of `parts`, which are sampled alike.

    Raises:
        FileNotFoundError, ImportError: If no part is at hand, of the last.
        ValueError: If an environment has several turns, or an option is refused.
    """
    samples: list[Sample] = []
    sums, lost = {}, {}
    for part in parts:
        try:
            opened = open_part(part, num_problems, None, split, levels)
        except (FileNotFoundError, ImportError) as error:
            lost[part.name] = error
            continue
        sums[part.name] = checksum(opened.questions)
        samples += map(sample_of, opened.questions)
    if not samples:
        raise list(lost.values())[-1]
    return Task(
        dataset=MemoryDataset(samples),
        solver=ask(),
        scorer=verified(),
        epochs=parts[0].protocol.num_samples,
        metadata={"checksums": sums, "left_out": {name: str(why) for name, why in lost.items()}},
    )


def sample_of(question: Question) -> Sample:
    """Return a problem with what its answer is sampled by."""
    kinds = {"system": ChatMessageSystem, "user": ChatMessageUser}
    messages: list[ChatMessage] = [
        kinds[message["role"]](content=message["content"])
        for message in chat(question.frame, question.prompt)
    ]
    sampling = question.sampling
    return Sample(
        input=messages,
        target="verified by name",
        id=f"{question.part}/{question.level}/{question.problem_seed}",
        metadata={
            "problem": question.name,
            "level": f"{short_id(question.part.partition('/')[2])} {question.level}",
            "sampling": asdict(sampling),
        },
    )


@solver  # type: ignore[untyped-decorator]
def ask() -> Solver:
    """Ask the model once, sampled as the problem's suite says."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        sampling = state.metadata["sampling"]
        names = ("max_tokens", "temperature", "top_p")
        return await generate(state, **{name: sampling[name] for name in names})

    return solve


@scorer(metrics=[grouped(mean(), "level"), stderr(cluster="problem")])  # type: ignore[untyped-decorator]
def verified() -> Scorer:
    """Score an answer with the environment's verifier."""

    async def judge(state: TaskState, target: Target) -> Score:
        sampling = Sampling(**state.metadata["sampling"])
        text = sampling.cut(said(state))
        outcome = score([state.metadata["problem"]], [text], begun=False)[0]
        if not outcome.verified:
            raise RuntimeError(f"an answer to {state.sample_id} could not be verified")
        told = {"reward": outcome.reward, "formatted": outcome.formatted}
        return Score(value=float(outcome.correct or 0), answer=outcome.answer, metadata=told)

    return judge


def said(state: TaskState) -> str:
    """Return the answer as the model wrote it.

    Inspect takes a thought in tags out of the text; it is put back, before what it stood in.
    """
    content = state.output.message.content
    if isinstance(content, str):
        return content
    texts = []
    for part in content:
        if isinstance(part, ContentReasoning) and part.internal == "think":
            texts.append(f"<think>{part.reasoning}</think>")
        elif isinstance(part, ContentText):
            texts.append(part.text)
    return " ".join(texts)
