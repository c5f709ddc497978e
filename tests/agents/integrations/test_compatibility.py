"""Which trainers run our curricula, as the table of docs/verl.md has it, says what the code says; needs none of them."""

import ast
import re
from dataclasses import astuple, dataclass
from importlib.metadata import requires
from pathlib import Path

import pytest

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
ROOT = Path(__file__).parents[3]


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


def tree(module):
    """The code of one of our modules, which may need what is not installed."""
    path = ROOT.joinpath(*module.split(".")[1:]).with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def constant(module, name):
    """The value of a constant of a module."""
    for node in tree(module).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise AssertionError(name)


def test_the_page_has_the_table():
    assert markdown() in (ROOT / "docs" / "verl.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.trainer)
def test_what_a_row_names_is_there(row):
    module, _, path = row.hook.partition(":")
    nodes = tree(module).body
    for name in path.split("."):
        [found] = [node for node in nodes if getattr(node, "name", None) == name]
        nodes = found.body
    assert (ROOT / row.tested).exists()


def test_the_lag_of_the_stream_is_what_it_allows():
    [row] = [row for row in TABLE if "Stream" in row.trainer]
    assert row.lag == constant("edgewise.agents.integrations.trl_stream", "MAX_WAITING") - 1


@pytest.mark.parametrize(
    "tested",
    [TRL, VERL, VERIFIERS, OPENENV, SKYRL, LM_EVAL, NEMO_GYM, TINKER],
    ids=lambda tested: tested.package,
)
def test_the_extras_install_the_versions_that_are_tested(tested):
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"{tested.requirement}{tested}"' in text
    name = re.escape(tested.requirement.partition("[")[0])
    assert any(re.match(name, line) and tested.after in line for line in requires("edgewise"))


@pytest.mark.parametrize(
    ("found", "taken"),
    [("0.9.1", True), ("0.9.10", True), ("0.9.0", False), ("0.10.0", False), ("0.9", False),
     ("1.0", False), ("0.9.1.post1", True), ("unknown", False)],
)  # fmt: skip
def test_other_versions_of_verl_are_refused_in_one_line(found, taken):
    if taken:
        VERL.check(found)
        return
    with pytest.raises(
        ImportError, match=rf"must have verl >=0\.9\.1,<0\.10, got {found}"
    ) as refused:
        VERL.check(found)
    assert "\n" not in str(refused.value) and "verl[verl-core]>=0.9.1,<0.10" in str(refused.value)
