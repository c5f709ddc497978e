"""The dataset that verl makes of `data.custom_cls`; importing it registers the agent loop too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium as gym
import torch
from omegaconf import OmegaConf
from torch.utils.data import Dataset

from edgewise.agents.integrations import verl_loop
from edgewise.agents.integrations.export import chat
from edgewise.agents.integrations.verl_config import VerlConfig
from edgewise.agents.integrations.verl_draws import Draws, row_of
from edgewise.agents.training.recipe_file import from_fields
from edgewise.env import evaluation_set, unwrap

ENDLESS = 10**9  # rows, for a curriculum has no epochs


class EdgewiseDataset(Dataset[dict[str, Any]]):
    """The problems that a curriculum draws when verl asks for them, or those of the test set."""

    training: ClassVar[EdgewiseDataset | None] = None  # the one of this process

    def __init__(
        self, data_files: Any, tokenizer: Any, processor: Any, config: Any, max_samples: int = -1
    ) -> None:
        """Make the dataset of a split.

        Args:
            data_files: The split, `data.train_files` or `data.val_files`.
            tokenizer: Of the model.
            processor: Unused.
            config: verl's `data`, with the flags of `edgewise verl` as `data.edgewise`.
            max_samples: Unused.

        Raises:
            ValueError: If verl would draw ahead or in another order, or a flag is refused.
        """
        self.settings = config
        flags = from_fields(VerlConfig, OmegaConf.to_container(config.edgewise, resolve=True))
        self.loop = verl_loop.NAME
        self.draws: Draws | None = None
        self.rows: list[dict[str, Any]] = []
        if split_of(data_files) != "train":
            self.rows = test_rows(flags, split_of(data_files))
            return
        self.refuse_drawing_ahead()
        self.draws = Draws(flags, tokenizer)
        EdgewiseDataset.training = self

    def refuse_drawing_ahead(self) -> None:
        """Check how verl's loader will ask for rows.

        Raises:
            ValueError: If it has workers, shuffles, or does not ask for P rows at a time.
        """
        size = self.settings.train_batch_size
        for name, allowed in (
            ("dataloader_num_workers", (0,)),
            ("shuffle", (False,)),
            ("gen_batch_size", (None, size)),  # 1 where verl is asynchronous or filters groups
        ):
            if (found := self.settings.get(name)) not in allowed:
                raise ValueError(
                    f"`data.{name}` must be {allowed[-1]} under a curriculum, got {found}: the rule "
                    "must have learned from a batch before the next is drawn"
                )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows) if self.draws is None else ENDLESS

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return the next row of a batch, which is drawn with its first; or a row of the test set."""
        if self.draws is None:
            row = self.rows[index]
        else:
            if not self.rows:
                self.refuse_drawing_ahead()
                self.rows = self.draws.draw()
            row = self.rows.pop(0)
        return {**row, "dummy_tensor": torch.zeros(1, dtype=torch.uint8)}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the curriculum, for verl's checkpoint."""
        return {} if self.draws is None else self.draws.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        if self.draws is not None:
            self.rows = []
            self.draws.load_state_dict(state)


def training_draws() -> Draws:
    """Return the curriculum of this process.

    Raises:
        RuntimeError: If there is none.
    """
    dataset = EdgewiseDataset.training
    if dataset is None or dataset.draws is None:
        raise RuntimeError(
            "`data.custom_cls` must be EdgewiseDataset of pkg://edgewise.agents.integrations.verl"
        )
    return dataset.draws


def split_of(data_files: Any) -> str:
    """Return the split that `data.train_files` or `data.val_files` names."""
    return data_files if isinstance(data_files, str) else str(next(iter(data_files)))


def test_rows(config: VerlConfig, split: str) -> list[dict[str, Any]]:
    """Return the first problems of each level of a split, as `edgewise eval` poses them."""
    rows: list[dict[str, Any]] = []
    problems = config.problems(split)
    for env_id in problems.ids:
        env = unwrap(gym.make(env_id, **problems.options()))
        for level in env.levels:
            for options in evaluation_set(env, level, config.num_test):
                problem, info = env.pose(options)
                messages = chat(env.frame_of(problem), env.prompt(problem))
                row = row_of(info["problem"], messages, batch=0, group=len(rows))
                rows.append({**row, "data_source": f"edgewise/{env_id}/level {level}"})
    return rows
