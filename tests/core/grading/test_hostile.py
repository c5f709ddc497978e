"""What a model may write does no harm: huge, deep, long and strange texts, in every process."""

import os
import resource
import subprocess
import sys
import threading
import time

import pytest

pytest.importorskip("flint")

from edgewise.grading import equivalent, equivalent_many, grade, readable_many
from edgewise.grading.grade import compare

HUGE = [
    "10^10^10", "10^{10^{10}}", "9**9**9", "{" * 1_000_000, r"\frac{1}{" * 10_000 + "2" + "}" * 10_000,
    "9" * 100_000, "2^{999999999}", "(10!)!", "99999999!", "(" * 5_000, "1+" * 5_000 + "1", "1e99999",
    r"\binom{10^9}{5\cdot 10^8}", "10^{9999}" * 20,
]  # fmt: skip
REPEATED = (
    "(,", ",", "1,", "[1,", "(1,)", "^(1", "!)", "! )", "$", " $ ", r"\\$", "12345)", "**1}", ". ",
    r"\boxed{", r"\text{", r"\begin{pmatrix}", r"\left(", "1 000 ", r"\,000", "**", "a_", "x<", r"\pm1", r"\sqrt{",
    "so the answer is ", "Thus it is ", "$7$ ", "answer ", "I hope it is correct. ", "<|a|>", " and ", "a_{",
)  # fmt: skip


@pytest.mark.parametrize("answer", HUGE, ids=lambda text: text[:12])
def test_what_is_huge_is_wrong_without_a_worker(answer):
    start = time.process_time()
    assert compare("7", answer) is False
    assert time.process_time() - start < 30  # of which a tenth of a second is used at most


def test_what_is_long_takes_no_more_than_its_length():
    code = f"""
from edgewise.grading.grade import compare
for part in {REPEATED}:
    for text in ((part * 20_000)[:19_990], "(" + (part * 2_000)[:1_990]):
        assert compare("5", text) is not True
"""
    limit = resource.RLIMIT_CPU, (60, 60)  # of which some seconds are used
    subprocess.run(
        [sys.executable, "-c", code], check=True, preexec_fn=lambda: resource.setrlimit(*limit)
    )


def test_no_code_of_an_answer_runs(tmp_path):
    path = tmp_path / "made"
    texts = [f"__import__('os').system('touch {path}')", f"open('{path}', 'w')", "exit()", "{{7*7}}",
             "lambda: 7", "[x for x in (7,)]", "np.arcsin(1)", "7 if 1 else 8", "0x7", "7_0", "\uff17"]  # fmt: skip
    assert [compare("7", text) for text in texts] == [False] * 10 + [True]
    assert not path.exists()


@pytest.fixture(scope="module")
def pool():
    yield grade.shared_pool()
    grade.shared_pool().close()


def test_large_numbers_are_left_to_a_worker_and_larger_ones_are_wrong(pool):
    assert compare("x", "(3^{9999})^1 x") is False  # of more digits than Python writes in decimal
    golds = ["3^{50000}", "3^{50000}", "2011^{2009} + 1", "9^{9^{9}}"]
    answers = ["9^{25000}", "9^{25000} + 1", "1 + 2011 \\cdot 2011^{2008}", "9^{9^{9}} + 1"]
    assert [compare(*pair) for pair in zip(golds, answers, strict=True)] == [
        None,
        None,
        None,
        False,
    ]
    assert equivalent_many(golds, answers) == [True, False, True, False]


CODE = r"""
import sys
from edgewise.grading.grade import compare
golds = ["2x", r"\sin 2a", r"(-1)^{1/3}", r"\frac{n!}{(n-2)!}", "x^2+y^2=1", r"\{1,2,3\}"]
answers = ["x+x", r"2\sin a\cos a", "-1", "n(n-1)", "2x^2=2-2y^2", "3,1,2"]
print([compare(*pair) for pair in zip(golds, answers)], compare("x", "1.0001x"))
"""


@pytest.mark.parametrize(
    "seed", ["4242", *(pytest.param(seed, marks=pytest.mark.slow) for seed in "01")]
)
def test_the_verdict_is_the_same_for_every_hash_seed(seed):
    env = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["[True,", "True,", "True,", "True,", "True,", "True]", "False"]


def test_it_works_from_threads_which_keep_their_precision_apart():
    verdicts, pairs = [], [(r"\sqrt2+\sqrt3", r"\sqrt{5+2\sqrt6}"), ("e^{\\pi}", "23.14")] * 20

    def run():
        verdicts.append([compare(*pair) for pair in pairs])

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == [[True, False] * 20] * 4


def test_it_works_in_the_child_of_a_fork():
    assert equivalent("x+1", "1+x")
    pid = os.fork()
    if pid == 0:
        os._exit(0 if compare(r"\sqrt{8}", r"2\sqrt2") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_the_precision_of_the_caller_stays_as_it_is():
    flint = pytest.importorskip("flint")
    before = flint.ctx.prec
    assert compare(r"\sqrt{8}", r"2\sqrt2") and flint.ctx.prec == before


def test_what_is_readable_is_mathematics_and_equal_to_itself():
    texts = ["2", r"\frac{x+1}{2}", "(1, 2)", "x < 3", "red", "", "?!", "(", "1/0", "9^{9^{9}}"]
    assert readable_many(texts) == [True] * 4 + [False] * 6
    deep = ["x" * 900, "x" + "°" * 900, "1/x" * 300, "x-" * 400 + "x", "x" + "'" * 900, "(x)" * 300]
    assert all(verdict in (True, False) for verdict in readable_many(deep))
