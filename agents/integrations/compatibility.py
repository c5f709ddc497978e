"""Which trainers run our curricula, with what lag, and how that is tested: the table of docs/verl.md."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from edgewise.agents.integrations.versions import (
    LM_EVAL,
    NEMO_GYM,
    OPENENV,
    SKYRL,
    TINKER,
    TRL,
    VERIFIERS,
    VERL,
)

HEAD = ("trainer", "version", "what tells the rule", "lag", "state of the curriculum", "tested by")
OURS = "edgewise.agents.integrations"


@dataclass(frozen=True)
class Support:
    """A trainer, and what a curriculum can do in it."""

    trainer: str
    versions: str
    hook: str  # "module:Class.method" or "module:function"
    lag: (
        int | str | None
    )  # batches drawn before the last signals are heard; None without a curriculum
    state: str  # where it is saved
    tested: str  # a file or folder of tests

    def cells(self) -> list[str]:
        """Return the cells of the table."""
        known = {None: "no curriculum", 0: "none", 1: "one batch"}
        lag = self.lag if isinstance(self.lag, str) else known[self.lag]
        trainer, versions, hook, _, state, tested = astuple(self)
        return [trainer, versions, f"`{hook}`", lag, state, f"`{tested}`"]


TABLE = (
    Support(
        "`edgewise train`", "this one", "edgewise.wrappers.vector.curriculum:teach", 0,
        "in checkpoints; resumes exactly", "tests/agents/training",
    ),
    Support(
        "TRL: `edgewise trl`", str(TRL), f"{OURS}.trl:CurriculumTrainer.learn", 0,
        "in TRL's checkpoints; resumes exactly", "tests/agents/integrations/test_trl.py",
    ),
    Support(
        "TRL: `CurriculumStream`", "any", f"{OURS}.trl_stream:CurriculumStream.reward", 1,
        "not saved", "tests/agents/integrations/test_trl_stream.py",
    ),
    Support(
        "verl: `edgewise verl`", str(VERL), f"{OURS}.verl_buffer:CurriculumBuffer.sample", 0,
        "in verl's checkpoints; resumes exactly", "tests/agents/integrations/test_verl_runs.py",
    ),
    Support(
        "verl: `--feedback trainer`", str(VERL),
        f"{OURS}.verl_trainer:CurriculumTrainer._compute_advantage", 0,
        "in verl's checkpoints", "tests/agents/integrations/test_verl_runs.py",
    ),
    Support(
        "verifiers, prime-rl: `edgewise-verifiers`", str(VERIFIERS),
        f"{OURS}.verifiers:ProblemTask.outcome", None,
        "none", "tests/agents/integrations/frameworks/test_verifiers.py",
    ),
    Support(
        "prime-rl: `RuleSampler`", "0.8, as read", f"{OURS}.prime:RuleSampler.observe",
        "as groups are in flight: of 1, 4, 8 in batches of 4 on average 0, 1.7, 4.1 batches",
        "in prime-rl's checkpoints", "tests/agents/integrations/frameworks/test_prime.py",
    ),
    Support(
        "tinker-cookbook: `CurriculumDataset`", str(TINKER), f"{OURS}.tinker:CurriculumDataset.end", 0,
        "beside the cookbook's checkpoints, by their batch; resumes exactly",
        "tests/agents/integrations/frameworks/test_tinker.py",
    ),
    Support(
        "NeMo-Gym: `edgewise export --layout nemo-gym`", str(NEMO_GYM),
        f"{OURS}.nemo_gym:ProblemServer.step", None,
        "none", "tests/agents/integrations/frameworks/test_nemo_gym.py",
    ),
    Support(
        "lm-eval: `edgewise export --layout lm-eval`", str(LM_EVAL), f"{OURS}.lm_eval:score", None,
        "none", "tests/agents/integrations/frameworks/test_lm_eval.py",
    ),
    Support(
        "OpenEnv: `edgewise serve --openenv`", str(OPENENV), f"{OURS}.openenv:Session.step", None,
        "none", "tests/agents/integrations/frameworks/test_openenv.py",
    ),
    Support(
        "SkyRL: `skyrl_gym.make`", str(SKYRL), f"{OURS}.skyrl:EdgewiseEnv.step", None,
        "none", "tests/agents/integrations/frameworks/test_skyrl.py",
    ),
    Support(
        "any that reads rows in order: `edgewise schedule`", "any",
        f"{OURS}.schedule:lay_out", None,
        "none: a schedule does not learn", "tests/agents/integrations/test_schedule.py",
    ),
    Support(
        "TRL, verl: rows of `edgewise export`", "any", f"{OURS}.named:score", None,
        "none", "tests/agents/integrations/test_export.py",
    ),
)  # fmt: skip


def markdown() -> str:
    """Return the table in Markdown."""
    rows = [list(HEAD), ["---"] * len(HEAD), *(support.cells() for support in TABLE)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
