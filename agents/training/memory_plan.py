"""What a training run needs of memory, by arithmetic: no weights are loaded, and torch is not imported.

Bytes of one process, of what is there all the time, and besides that of what the work does in turn:

always     weights; their float32 masters if they are of lower precision; gradients, moments of AdamW,
           both float32; the reference of a divergence; on a CPU in bfloat16, the kernels that oneDNN
           keeps for the shapes that it has met
sampling   the cache of keys and values, the distributions of a token, a copy of the weights in which
           small models decode, or the share of an engine in the same process
learning   a pass and its backward pass, `pass_bytes`
update     what AdamW holds of the weights in between
saving     on a CPU: the weights as they are written to a checkpoint; else the machine's own memory holds
           them, and of a sharded model what is gathered of its moments

The largest of the latter counts. Rows that are sampled at once, and tokens of a pass, are halved as long
as they do not fit, as a run halves them when the memory runs out; it cannot halve the passes of a
sharded model, whose ranks are in step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from edgewise.agents.policies.memory import MAX_TOKENS_PER_PASS, masked_tokens, pass_bytes
from edgewise.agents.training.model_shapes import ModelShape

VALUE_BYTES = {"float32": 4, "bfloat16": 2}
FULL = 4  # bytes of a value in float32
SAMPLED_BYTES = (
    20  # of each entry of a distribution: logits, log and plain probabilities, their sums
)
KERNELS = (
    120_000_000  # of oneDNN's, which keeps 1,024; without any of them the peak was so much lower
)
SMALL = 100_000_000  # parameters of models that decode on a CPU in a copy of their weights
CONTEXT = {
    "cpu": 600_000_000,
    "cuda": 1_000_000_000,
}  # torch and transformers; CUDA and its kernels


@dataclass(frozen=True)
class Work:
    """What a run computes, as far as its memory depends on it; all of one process."""

    shape: ModelShape
    dtype: str
    device: str
    num_processes: int
    sharded: bool
    checkpointing: bool  # of activations
    reference: bool  # a divergence from the policy at the start is computed
    adapters: tuple[int, tuple[str, ...]] | None  # rank and targets
    engine_share: float  # of the device's memory that an engine in this process takes, 0.0 for none
    samples_itself: bool
    decode_dtype: str
    rows: int  # completions that are sampled at once, all that there are
    minibatch: int  # completions of an update
    row_tokens: int  # most of a prompt and its completion
    max_tokens_per_pass: int = MAX_TOKENS_PER_PASS

    @property
    def value_bytes(self) -> int:
        """Of what is computed."""
        return VALUE_BYTES[self.dtype]

    @property
    def pass_tokens(self) -> int:
        """Tokens of a pass: what the budget allows of a minibatch, in whole rows."""
        rows = max(1, min(self.minibatch, self.max_tokens_per_pass // self.row_tokens))
        return rows * self.row_tokens

    @property
    def trained(self) -> int:
        """Weights that are trained, of all processes."""
        if self.adapters is None:
            return self.shape.num_parameters
        return self.shape.adapter_parameters(*self.adapters)

    @property
    def in_full(self) -> bool:
        """Whether weights are float32 wherever they are kept: then they need no masters."""
        return self.sharded or self.adapters is not None or self.value_bytes == FULL

    @property
    def fast(self) -> bool:
        """Whether the model is one that computes in a copy of its weights."""
        small = self.device == "cpu" and self.shape.num_parameters <= SMALL
        return small and self.adapters is None and not self.sharded


@dataclass(frozen=True)
class Plan:
    """Bytes of one process, and what they are for."""

    work: Work
    always: dict[str, int]
    phases: dict[str, dict[str, int]]
    host: dict[str, int]  # of the machine's own memory, where the model is on a GPU

    @property
    def phase(self) -> str:
        """The phase that needs most."""
        return max(self.phases, key=lambda name: sum(self.phases[name].values()))

    @property
    def peak(self) -> int:
        """Most bytes that are needed at once, beyond what importing takes."""
        return sum(self.always.values()) + sum(self.phases[self.phase].values())

    def needs(self) -> int:
        """Return the bytes that the device must have."""
        return self.peak + CONTEXT[self.work.device]


def plan_of(work: Work, memory: int | None = None) -> Plan:
    """Return what `work` needs, in parts that fit `memory` bytes as far as it can be divided.

    By default it is not divided.
    """
    while True:
        plan = undivided(work, memory)
        if memory is None or plan.needs() <= memory:
            return plan
        if plan.phase == "sampling" and work.samples_itself and work.rows > 1:
            work = replace(work, rows=work.rows // 2)
        elif plan.phase == "learning" and shortens(work):
            work = replace(work, max_tokens_per_pass=work.pass_tokens // 2)
        else:
            return plan


def shortens(work: Work) -> bool:
    """Return whether a run can halve the tokens of a pass: not of one row, nor of ranks in step."""
    return work.pass_tokens > work.row_tokens and not work.sharded


def undivided(work: Work, memory: int | None) -> Plan:
    """Return what `work` needs as it is."""
    always = {name: count for name, count in standing(work).items() if count}
    phases = {
        "sampling": sampling(work, memory or 0),
        "learning": {"activations of a pass": activations(work)},
        "update": update(work),
    }
    host = saving(work)
    if work.device == "cpu":
        phases["saving"], host = host, {}
    elif work.sharded:
        host = {"loading": FULL * work.shape.num_parameters, **host}
    if work.adapters is not None:
        phases["export"] = {"merged model": work.value_bytes * work.shape.num_parameters}
    return Plan(work, always, phases, host)


def standing(work: Work) -> dict[str, int]:
    """Return what is there all the time."""
    count, trained = work.shape.num_parameters, work.trained
    weights = work.value_bytes * count
    reference = weights if work.reference and work.adapters is None else 0
    if work.sharded:
        weights = ceil(FULL * count / work.num_processes)
        reference = weights if work.reference else 0
        trained = ceil(trained / work.num_processes)
    return {
        "weights": weights,
        "adapters": FULL * trained if work.adapters is not None else 0,
        "master weights": 0 if work.in_full else FULL * trained,
        "gradients": FULL * trained,
        "optimiser": 2 * FULL * trained,
        "reference": reference,
        "kernels": KERNELS if work.device == "cpu" and work.value_bytes < FULL else 0,
    }


def sampling(work: Work, memory: int) -> dict[str, int]:
    """Return what sampling needs, of `memory` bytes where an engine takes a share of them."""
    if not work.samples_itself:
        share = int(work.engine_share * memory)
        return {"engine": share} if work.device == "cuda" else {"engine": share + copied(work)}
    shape, value_bytes = work.shape.a_pass, VALUE_BYTES[work.decode_dtype]
    token = 2 * value_bytes * shape.num_layers * shape.key_value_size
    return {
        "cache": work.rows * work.row_tokens * token,
        "distributions": work.rows * shape.vocab_size * SAMPLED_BYTES,
        "weights that decode": copied(work),
    }


def copied(work: Work) -> int:
    """Return the bytes of the weights that are there once more while completions are sampled."""
    if work.sharded:  # all layers are gathered
        return work.value_bytes * work.shape.num_parameters
    return VALUE_BYTES[work.decode_dtype] * work.shape.num_parameters if work.fast else 0


def activations(work: Work) -> int:
    """Return what a pass and its backward pass hold."""
    shape, tokens = work.shape.a_pass, work.pass_tokens
    checkpointing = work.checkpointing
    fused = work.fast and work.value_bytes == FULL and not checkpointing
    found = pass_bytes(
        shape,
        tokens,
        work.value_bytes,
        checkpointing=checkpointing,
        fused=fused,
        masked=0 if work.fast else masked_tokens(work.row_tokens, checkpointing, not work.sharded),
        batch_tokens=work.minibatch * work.row_tokens,
    )
    if work.adapters is not None:
        rank, targets = work.adapters
        layers = 1 if checkpointing else shape.num_layers
        inputs = 2 * shape.hidden_size + rank + shape.attention_size  # in float32, dropped and not
        found += FULL * tokens * layers * len(targets) * inputs
    if work.sharded:  # one layer, the next one, and the gradient of one; the head
        head = shape.vocab_size * shape.hidden_size
        found += (2 * work.value_bytes + FULL) * work.shape.layer_parameters
        found += work.value_bytes * head
    elif fused:
        found += FULL * work.shape.num_parameters  # the joined matrices
        heads = shape.attention_size // shape.key_value_size  # that share keys, and have one mask
        found += FULL * tokens * heads * masked_tokens(work.row_tokens, False, True)
    return found


def update(work: Work) -> dict[str, int]:
    """Return what AdamW holds besides: of all weights at once on a GPU, of one on a CPU."""
    own = work.trained // (work.num_processes if work.sharded else 1)
    one = min(own, work.shape.largest_matrix)
    return {"in between": FULL * own if work.device == "cuda" else 2 * FULL * one}


def saving(work: Work) -> dict[str, int]:
    """Return what the first process holds in the machine's own memory while it writes a checkpoint.

    Moments and masters are written one after another as they are, but for those of a sharded model, which
    are gathered first.
    """
    written = work.value_bytes * work.shape.num_parameters
    if not work.sharded:
        return {"checkpoint": written}
    return {"checkpoint": FULL * work.shape.num_parameters + 2 * FULL * work.trained}
