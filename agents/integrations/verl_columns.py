"""What verl's queue holds of the completions of a batch."""

from __future__ import annotations

from typing import Any

import torch
import transfer_queue as tq

from edgewise.agents.integrations.verl_draws import Completion

FIELDS = (
    "edgewise_batch",
    "edgewise_group",
    "extra_fields",
    "rm_scores",
    "response_mask",
    "responses",
)


def completions_of(batch: Any, tokenizer: Any, advantages: bool) -> list[Completion]:
    """Return the completions of a batch, those that verl padded it with left out.

    Of an episode that verl cut into several outputs, the last counts.

    Args:
        batch: Keys and tags, as verl's buffer returns them.
        tokenizer: Of the model; texts that no verifier of ours saw are as long as it says.
        advantages: Whether verl has computed them.
    """
    names = [*FIELDS, *(["advantages"] if advantages else [])]
    columns = read(batch, names)
    found: dict[tuple[int, int], tuple[int, Completion]] = {}
    for place, (key, tag) in enumerate(zip(batch.keys, batch.tags, strict=True)):
        if tag.get("is_padding", False):
            continue
        member, number = member_of(key)
        values = {name: column[place] for name, column in columns.items()}
        completion = completion_of(member, values, tokenizer)
        at = completion.group, member
        if at not in found or found[at][0] < number:
            found[at] = number, completion
    return [completion for _, (_, completion) in sorted(found.items())]


def completion_of(member: int, values: dict[str, Any], tokenizer: Any) -> Completion:
    """Return the completion in one row of the queue."""
    told = values["extra_fields"].get("reward_extra_info", {})
    reward = float(told.get("score", values["rm_scores"].sum()))
    mask = values["response_mask"].bool()
    ids = values["responses"][mask].tolist()
    length = told.get("length")
    if length is None:
        length = len(tokenizer.decode(ids, skip_special_tokens=True))
    return Completion(
        batch=int(values["edgewise_batch"]),
        group=int(values["edgewise_group"]),
        member=member,
        reward=reward,
        correct=bool(told.get("correct", reward == 1)),
        length=int(length),
        num_tokens=int(mask.sum()),
        abs_advantage=mean_size(values["advantages"][mask]) if "advantages" in values else None,
        formatted=bool(told.get("formatted", True)),
        response=tuple(ids),
    )


def mean_size(advantages: torch.Tensor) -> float:
    """Return the mean |A| over tokens, 0 where there are none.

    >>> mean_size(torch.tensor([-1.0, 2.0])), mean_size(torch.tensor([]))
    (1.5, 0.0)
    """
    return float(advantages.double().abs().mean()) if len(advantages) else 0.0


def ordered(batch: Any) -> list[int]:
    """Return the places of a batch's rows by group and member, whatever came back first."""
    groups = [int(group) for group in read(batch, ["edgewise_group"])["edgewise_group"]]
    return sorted(range(len(groups)), key=lambda row: (groups[row], *member_of(batch.keys[row])))


def member_of(key: str) -> tuple[int, int]:
    """Return which member of its group a key is of, and which of its outputs.

    >>> member_of("8d03_3_0")
    (3, 0)
    """
    _, member, number = key.rsplit("_", 2)
    return int(member), int(number)


def read(batch: Any, names: list[str]) -> dict[str, list[Any]]:
    """Return columns of the queue, in the order of the keys."""
    data = tq.kv_batch_get(
        keys=batch.keys, partition_id=batch.partition_id, select_fields=list(names)
    )
    return {name: [plain(value) for value in items_of(data[name])] for name in names}


def items_of(column: Any) -> list[Any]:
    """Return the rows of a column, which may have different lengths."""
    return list(column.unbind() if isinstance(column, torch.Tensor) else column)


def plain(value: Any) -> Any:
    """Return what is wrapped in a value that is no tensor."""
    return value if isinstance(value, torch.Tensor) else getattr(value, "data", value)
