"""verl's command with a trainer of ours, `python -m edgewise.agents.integrations.verl_main`."""

from __future__ import annotations

from typing import Any

import hydra
import ray
from verl.trainer.main_ppo import TaskRunnerV1, run_ppo
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import validate_config
from verl.utils.device import auto_set_device


class Runner:
    """Runs verl's training in an actor of Ray, where our trainer takes the place of verl's."""

    def run(self, config: Any) -> Any:
        """Train."""
        from verl.trainer.ppo.v1 import trainer_base

        from edgewise.agents.integrations.verl_trainer import CurriculumTrainer

        # under another name than "sync" verl would take it for asynchronous
        trainer_base.TRAINER_REGISTRY["sync"] = CurriculumTrainer
        return TaskRunnerV1.__ray_metadata__.modified_class().run(config)


@hydra.main(config_path="pkg://verl.trainer.config", config_name="ppo_trainer", version_base=None)  # type: ignore[untyped-decorator, unused-ignore]
def main(config: Any) -> None:
    """Check the config, and train, as verl's own command does."""
    auto_set_device(config)
    validate_config(
        config=config,
        use_reference_policy=need_reference_policy(config),
        use_critic=need_critic(config),
    )
    run_ppo(config, task_runner_class=ray.remote(Runner))


if __name__ == "__main__":
    main()
