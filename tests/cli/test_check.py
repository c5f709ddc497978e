"""`edgewise check`: what keeps the contract passes, and each way to break it is named with its place."""

from functools import partial

import pytest

pytest.importorskip("tyro")

from edgewise.cli import main
from edgewise.contract import Level, Report, attacks, environment, guessing, problems
from edgewise.contract import report as reports
from edgewise.own_code import import_typed


def made(level):
    return reports.made([level])


def processes(level):
    return environment.processes([level], ["mine"])


SOLVE = "return str(2 * problem)"
VERIFY = "answer == self.solve(problem)"
GENERATE = "return int(rng.integers(high))"
CREDIT = f"{SOLVE}\n\n    def credit(self, problem, answer):\n        return 0.5"
SPLIT = f"{SOLVE}\n\n    def split_of(self, problem):\n        return 'test'"
hostile = partial(attacks.hostile, count=5)
FAULTS = [  # what is put in place of what: the check that fails, and what it says
    (VERIFY, "self.solve(problem) in answer", hostile, "must be False, got True"),
    (VERIFY, "int(answer or 0) == 2 * problem", hostile, "mine.py:31: ValueError: "),
    (VERIFY, f"{VERIFY} or None", hostile, "must be False, got None"),
    (VERIFY, f"sum(1 for _ in answer * 50) < 0 or {VERIFY}", hostile, "must run at most"),
    (VERIFY, f"__import__('os').listdir() is None or {VERIFY}", hostile, "os.listdir"),
    (
        SOLVE,
        "return str(2 * (problem % 2))",
        partial(guessing.guessing, count=40),
        "more than 5.0% (and 13.8% of",
    ),
    (SOLVE, CREDIT, partial(problems.solver, count=5), "`solve`, got True and 0.5"),
    (GENERATE, f"{GENERATE} % 25", partial(problems.variety, count=100), "must differ, got"),
    (GENERATE, "return [int(rng.integers(high))]", partial(problems.values, count=5), "unhashable"),
    (GENERATE, "return int(np.random.integers(high))", made, "mine.py:25: AttributeError"),
    (GENERATE, f"{GENERATE} + hash('a') % 99", processes, "must pose the same problems"),
    (r" Answer in \boxed{{}}.", "", partial(problems.prompts, count=5), r"must have \boxed{"),
    (SOLVE, SPLIT, made, "RuntimeError: none of 10000 problems"),
]


def test_an_environment_that_keeps_the_contract_passes(own_folder, capsys):
    assert main(["check", "mine:Double-v0", "--num-problems", "40"]) == 0
    out = capsys.readouterr().out
    assert "mine:Double-v0: all checks hold" in out and "FAILS" not in out
    assert "40/40/40" in out and "problems/s" in out and "…" not in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(("old", "new", "check", "said"), FAULTS)
def test_what_breaks_the_contract_is_named(old, new, check, said, own_folder):
    path = own_folder / "mine.py"
    source = path.read_text()
    assert source.count(old) == 1
    path.write_text(source.replace(old, new))
    import_typed("mine")
    report, level = Report("mine:Double-v0"), Level("mine:Double-v0", "plain", 1)
    assert not report.run("it", lambda: check(level), "here: ") and not report.holds
    assert report.fails[0].startswith("it: here: ") and said in report.fails[0], report.fails


def test_a_check_that_fails_is_exit_code_1_with_a_line_each(own_folder, capsys):
    path = own_folder / "mine.py"
    path.write_text(path.read_text().replace(GENERATE, f"{GENERATE} % 25"))
    assert main(["check", "mine:Double-v0", "--num-problems", "100"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert "FAILS  problems differ: preset plain, level 1: at least" in "\n".join(out)
    assert "1 of 14 checks fail" in out[-1]


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ("mine:Duble-v0", "did you mean 'Double-v0'"),
        ("nothere:Double-v0", "no module nothere"),
        ("Mixture-v0", "`env` must be of a task"),
        ("Contdown-v0", "did you mean 'Countdown-v0'"),
    ],
)
def test_what_cannot_be_checked_is_a_mistake(env, told, own_folder, capsys):
    assert main(["check", env]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
