"""Make a seedling: a small Qwen2 model that has read worked solutions of easy problems.

It is trained to continue prompts with the traces of `demonstrate`; prompts carry no loss. Rows of
a batch are cut into chunks of like length, whose gradients add up to those of the batch. Of worked episodes
of several turns the model's own turns are learned.

Shapes: B rows of a batch, T tokens of a row, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import AdamW
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from edgewise.agents.algorithms.optimizer import schedule
from edgewise.agents.policies.chat import encode_prompt
from edgewise.agents.policies.model_card import model_path
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.soar.posing import COMPACT_MARK, COMPACT_PROMPT
from edgewise.env import ReasoningEnv, unwrap
from edgewise.judging import takes_turns
from edgewise.outcome import History, Outcome, answers_of_attempt, num_attempts

SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>", "<|im_start|>", "<|im_end|>")
WORDS = (r"\boxed{",)
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
NO_LOSS = -100  # the target that cross_entropy leaves out
NUM_ATTEMPTED = 256  # problems that are attempted at once for mistakes


class Worked(NamedTuple):
    """A turn of a worked episode."""

    text: str
    observation: str  # "" after the last turn
    is_slip: bool  # whether it is wrong on purpose, and not to be learned


def worked_episode(
    env: ReasoningEnv,
    problem: Any,
    rng: np.random.Generator,
    slips: float = 0.0,
    mistake: str | None = None,
) -> list[Worked]:
    """Return the turns that solve `problem`, after wrong attempts by chance where there are several.

    Args:
        env: Has posed it.
        problem: The problem.
        rng: Decides the wrong attempts.
        slips: The chance that an attempt but the last is a wrong one.
        mistake: A wrong first attempt, such as a model's own; it is no chance then.

    Raises:
        NotImplementedError: If the task has no traces.
    """
    history: list[Outcome] = []
    turns: list[Worked] = []
    while not (history and history[-1].done):
        is_mistake = mistake is not None and not history
        is_slip = is_mistake or (may_slip(env, history) and rng.random() < slips)
        if mistake is not None and is_mistake:
            text = mistake
        elif is_slip:
            text = env.as_completion(env.task.slip(problem, rng))
        else:
            text = env.demonstrate(problem, tuple(answers_of_attempt(history)))
        history += env.score([problem], [history], [text])
        turns.append(Worked(text, "" if history[-1].done else history[-1].observation, is_slip))
    return turns


def may_slip(env: ReasoningEnv, history: History) -> bool:
    """Return whether an attempt begins here, and another comes after it."""
    if env.attempts is None or num_attempts(history) + 1 >= env.attempts.most:
        return False
    return not history or history[-1].ends_attempt


def row_of(turns: list[Worked], prompt: list[int], tokenizer: Any) -> tuple[list[int], list[bool]]:
    """Return the tokens of an episode and their loss mask."""
    tokens, learned = list(prompt), [False] * len(prompt)
    for turn in turns:
        own = [*tokenizer.encode(turn.text, add_special_tokens=False), tokenizer.eos_token_id]
        further = tokenizer.encode(turn.observation, add_special_tokens=False)
        tokens += [*own, *further]
        learned += [not turn.is_slip] * len(own) + [False] * len(further)
    return tokens, learned


Row = tuple[list[int], list[bool]]  # tokens, and which of them are learned


def build_tokenizer() -> Any:
    r"""Return the tokenizer, one token a byte and one for ``\boxed{``.

    It loads through AutoTokenizer once it is saved. It is a byte-level BPE without merges, since AutoTokenizer makes one of whatever lies beside a
    Qwen2 model; so nothing is unknown to it. Texts begin with a token of their own.
    """
    tokens = (*SPECIAL, *WORDS, *sorted(pre_tokenizers.ByteLevel.alphabet()))
    vocabulary = {token: place for place, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", vocabulary["<bos>"])]
    )
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in WORDS])
    fast: Any = PreTrainedTokenizerFast  # whose constructor has no types
    return fast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


@dataclass(frozen=True)
class Source:
    """Where worked solutions come from."""

    env: str = "Countdown-v0"
    options: Mapping[str, Any] = field(default_factory=dict)  # keywords of the environment
    slips: float = 0.0  # chance that an attempt but the last is wrong, where there are several
    own_mistakes: bool = False  # whether first attempts are wrong ones of the model as it is then
    weights: tuple[float, ...] = (0.36, 0.42, 0.212, 0.008)  # shares of levels 1, 2, ...
    finished: tuple[float, ...] = ()  # chance at each level that a trace goes on after a step
    finished_from: int = 0  # the cycle from which that holds; before it all traces are whole
    posed: tuple[float, ...] = ()  # shares of levels whose problems are posed, as a teacher does
    posed_finished: tuple[float, ...] = ()  # as `finished`, of those; by default the same
    question: str = ""  # template of a problem that is posed


@dataclass(frozen=True)
class TrainDefaults:
    """Default settings of reinforcement learning on a seedling."""

    num_steps: int = 100
    num_problems: int = 32
    group_size: int = 8
    learning_rate: float = 2e-4


@dataclass(frozen=True)
class PretrainConfig:
    """Size of a seedling and hyperparameters of its training."""

    sources: tuple[Source, ...] = (Source(),)
    preset: str = "seedling"  # of all sources
    start: str = ""  # seedling:NAME or hf:PATH to go on from; "" for random weights of these sizes
    hidden_size: int = 160
    num_layers: int = 4
    num_heads: int = 5
    intermediate_size: int = 384  # of the feed-forward layers
    num_steps: int = 1700
    further_steps: tuple[int, ...] = ()  # of warm restarts after those
    batch_size: int = 64
    chunk_size: int = 32  # rows of like length that are computed at once
    learning_rate: float = 3e-3  # of AdamW, at its highest
    further_learning_rate: float | None = None  # of warm restarts; None for the same
    weight_decay: float = 0.01
    num_warmup_steps: int = 60  # linear; then half a cosine down to 0
    max_grad_norm: float = 1.0
    seed: int = 0  # of weights and problems
    train: TrainDefaults = TrainDefaults()  # what the model's folder recommends

    @property
    def total_steps(self) -> int:
        """Return the steps of all cycles."""
        return self.num_steps + sum(self.further_steps)


def build_policy(config: PretrainConfig) -> TransformersPolicy:
    """Return an untrained model with one key and value head, or that to go on from, and its tokenizer."""
    if config.start:
        return TransformersPolicy.load(model_path(config.start))
    tokenizer = build_tokenizer()
    shape = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=1,
        intermediate_size=config.intermediate_size,
        max_position_embeddings=2048,
        initializer_range=0.05,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return TransformersPolicy(Qwen2ForCausalLM(shape), tokenizer)


def pretrain(config: PretrainConfig, policy: TransformersPolicy) -> Iterator[dict[str, float]]:
    """Train `policy` in place, yielding the metrics of each step.

    A warm restart (Loshchilov & Hutter, 2017, arXiv 1608.03983) begins with the weights so far, a
    fresh optimizer, the schedule from its start, and further problems.
    """
    done = 0
    for cycle, num_steps in enumerate((config.num_steps, *config.further_steps)):
        rows = read(config, policy, cycle)
        if cycle and config.further_learning_rate is not None:
            config = replace(config, learning_rate=config.further_learning_rate)
        for metrics in run_cycle(config, policy, rows, num_steps):
            done += 1
            yield {"step": done, **metrics}


def run_cycle(
    config: PretrainConfig, policy: TransformersPolicy, rows: Iterator[Row], num_steps: int
) -> Iterator[dict[str, float]]:
    """Train `policy` on `rows` while the learning rate rises and falls once."""
    parameters = list(policy.parameters())
    optimizer = AdamW(parameters, lr=0.0, betas=(0.9, 0.98), weight_decay=config.weight_decay)
    for step in range(num_steps):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * schedule(step, num_steps, config.num_warmup_steps)
        batch = sorted((next(rows) for _ in range(config.batch_size)), key=lambda row: len(row[0]))
        num_targets = sum(sum(learned) for _, learned in batch)
        optimizer.zero_grad()
        total = 0.0
        for start in range(0, config.batch_size, config.chunk_size):
            loss = summed_loss(policy, batch[start : start + config.chunk_size]) / num_targets
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
        optimizer.step()
        yield {"loss": total, "num_tokens": sum(len(row) for row, _ in batch)}


def read(config: PretrainConfig, policy: TransformersPolicy, cycle: int = 0) -> Iterator[Row]:
    """Yield prompts with their worked solutions, from the training split, without end."""
    tokenizer = policy.tokenizer
    envs: list[Any] = [
        unwrap(gym.make(source.env, preset=config.preset, allow_ood=True, **source.options))
        for source in config.sources
    ]
    for env, source in zip(envs, config.sources, strict=True):
        env.task.check_template(source.question)
    places = [
        (env, source, level, weight, is_posed)
        for env, source in zip(envs, config.sources, strict=True)
        for is_posed, weights in ((False, source.weights), (True, source.posed))
        for level, weight in enumerate(weights, start=1)
    ]
    rng = np.random.default_rng([config.seed, cycle] if cycle else config.seed)
    mistakes = {
        place: own_mistakes(env, level, policy, [config.seed, cycle, place])
        for place, (env, source, level, weight, _) in enumerate(places)
        if source.own_mistakes and weight
    }
    bounds = np.cumsum([weight for _, _, _, weight, _ in places])
    while True:
        place = int(np.searchsorted(bounds, rng.random() * bounds[-1], side="right"))
        env, source, level, _, is_posed = places[place]
        mistake = None
        if place in mistakes:
            problem, mistake = next(mistakes[place])
        else:
            problem, _ = env.pose(env.choose(rng, {"level": level}))
        prompt = env.preset.frame.text(env.prompt(problem))
        if takes_turns(env, problem):
            turns = worked_episode(env, problem, rng, source.slips, mistake)
            yield row_of(turns, encode_prompt(tokenizer, prompt), tokenizer)
            continue
        text = env.demonstrate(problem)
        finished = (source.posed_finished if is_posed else ()) or source.finished
        stops = finished and cycle >= source.finished_from
        if stops and rng.random() >= finished[level - 1]:
            text = unfinished(text)
        if is_posed:
            prompt = COMPACT_PROMPT
            text = f"{env.task.prompt(problem, source.question)}{COMPACT_MARK}{text}"
        start = encode_prompt(tokenizer, prompt)
        trace = tokenizer.encode(text, add_special_tokens=False)
        yield (
            [*start, *trace, tokenizer.eos_token_id],
            [False] * len(start) + [True] * (len(trace) + 1),
        )


def own_mistakes(
    env: ReasoningEnv, level: int, policy: TransformersPolicy, seed: Sequence[int]
) -> Iterator[tuple[Any, str]]:
    """Yield problems of a level with wrong first attempts of `policy` as it is then, without end."""
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    sampling = Sampling(max_tokens=env.preset.frame.max_completion_tokens)
    while True:
        problems = [env.pose(env.choose(rng, {"level": level}))[0] for _ in range(NUM_ATTEMPTED)]
        prompts = [env.preset.frame.text(env.prompt(problem)) for problem in problems]
        texts = policy.generate(prompts, sampling, generator).texts
        outcomes = env.score(problems, [()] * len(problems), texts)
        found = [not outcome.done for outcome in outcomes]
        if not any(found):
            raise ValueError(
                f"`own_mistakes` must be of levels with mistakes, got none of {NUM_ATTEMPTED} "
                f"first attempts at level {level} of {env.identity['env']}"
            )
        for problem, text, is_wrong in zip(problems, texts, found, strict=True):
            if is_wrong:
                yield problem, text


def unfinished(trace: str) -> str:
    r"""Return the first step of a trace, its result taken for the answer.

    >>> unfinished(r"12+7=19,19-5=14,\boxed{14}")
    '12+7=19,\\boxed{19}'
    """
    first = trace.partition(",")[0]
    return rf"{first},\boxed{{{first.rpartition('=')[2]}}}"


def summed_loss(policy: TransformersPolicy, rows: Sequence[Row]) -> Tensor:
    """Return minus the log-probability of all worked solutions together, in nats."""
    length = max(len(tokens) for tokens, _ in rows)
    padding = [[policy.padding] * (length - len(tokens)) for tokens, _ in rows]
    inputs = torch.tensor([[*row[0], *pad] for row, pad in zip(rows, padding, strict=True)])
    targets = inputs.clone()  # (B, T)
    for target, (tokens, learned) in zip(targets, rows, strict=True):
        target[: len(tokens)][~torch.tensor(learned)] = NO_LOSS
        target[len(tokens) :] = NO_LOSS
    logits = policy.model(input_ids=inputs, use_cache=False).logits[:, :-1]  # (B, T - 1, V)
    return cross_entropy(
        logits.flatten(0, 1), targets[:, 1:].flatten(), ignore_index=NO_LOSS, reduction="sum"
    )
