"""`edgewise serve`: an environment as a server, for trainers that reach environments by a client."""

from __future__ import annotations

from collections.abc import Sequence

import gymnasium as gym

from edgewise.agents.training.recipe_file import read_options
from edgewise.cli.export_flags import ServeConfig
from edgewise.env import ReasoningEnv, unwrap
from edgewise.errors import UsageError, usage
from edgewise.registration import check_id


def run(config: ServeConfig, arguments: Sequence[str]) -> None:
    """Serve until Ctrl-C."""
    with usage():
        check_id(config.env)
        options = read_options(config.env_options, [config.env], config.data)

        def make() -> ReasoningEnv:
            made = gym.make(
                config.env,
                preset=config.preset,
                levels=config.levels,
                split=config.split,
                **options,
            )
            return unwrap(made)

        make()  # so that what it refuses is told here
    try:
        import uvicorn

        from edgewise.agents.integrations.openenv import application
    except ImportError as error:
        raise UsageError(f"{error}; pip install 'edgewise[openenv]'") from error
    print(
        f"http://{config.host}:{config.port}: {config.env} for clients of OpenEnv; Ctrl-C ends it",
        flush=True,
    )
    uvicorn.run(
        application(make, config.max_sessions),
        host=config.host,
        port=config.port,
        log_level="warning",
    )
