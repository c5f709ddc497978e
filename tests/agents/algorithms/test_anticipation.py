"""Verifiers are at work while the policy samples, and nothing but time depends on it."""

import time
from dataclasses import fields, replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from edgewise import Preset, ReasoningVectorEnv, Task  # noqa: E402
from edgewise.agents.algorithms.rollout import collect  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.pool import Pool  # noqa: E402
from edgewise.wrappers import SEC, vector  # noqa: E402

CALLS = """
def run(path, problem, answer):
    with open(path, "a") as file:
        file.write(f"{problem} {answer!r}\\n")
    return len(answer) % 2 == int(problem) % 2
"""
SAMPLING = Sampling(max_tokens=40, temperature=1.5, stop=("}",))  # so that rows end at many lengths


class Odd(Task[int]):
    """The length of the answer must be odd where the number is; the pool notes what it judges."""

    presets = {"toy": Preset("{}", {1: {"high": 2}, 2: {"high": 50}})}
    pool: Pool
    path: str

    def generate(self, rng, *, high):
        return int(rng.integers(high))

    def prompt(self, problem, template):
        return template.format(problem)

    def call(self, problem, answer):
        return (self.path, str(problem), answer)

    def verify(self, problem, answer):
        return self.verify_many([problem], [answer])[0]

    def verify_many(self, problems, answers):
        return self.pool.map(list(map(self.call, problems, answers)))

    def solve(self, problem):
        return "abc"[: 2 - problem % 2]


class Eager(Odd):
    """The same, and it anticipates."""

    def anticipate(self, problem, answer):
        self.pool.submit([self.call(problem, answer)])


class Judged:
    """Environments of a task, and what its pool has judged so far."""

    def __init__(self, task, pool, path):
        self.path = path
        named = type(task.__name__, (task,), {"pool": pool, "path": str(path)})
        self.envs = vector.Curriculum(ReasoningVectorEnv(16, group_size=4, task=named), SEC())
        self.envs.reset(seed=0)

    def lines(self):
        return self.path.read_text().splitlines() if self.path.exists() else []

    def collect(self, policy, **frame):
        envs = vector.PromptFormat(self.envs, frame) if frame else self.envs
        return collect(envs, policy, SAMPLING, torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calls")
    (folder / "anticipated_calls.py").write_text(CALLS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        with Pool("anticipated_calls:run", num_workers=1, seconds=60.0) as made:
            yield made


def assert_same(one, other):
    for field in fields(one.completions):
        mine, theirs = (getattr(each.completions, field.name) for each in (one, other))
        assert torch.equal(mine, theirs) if torch.is_tensor(mine) else mine == theirs
    for name in ("rewards", "correct", "formatted"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    assert one.infos["problem"].tolist() == other.infos["problem"].tolist()
    assert one.metrics() == other.metrics()


@pytest.mark.parametrize("fast", [True, False])
def test_the_rows_that_end_before_the_last_are_told_with_their_texts(tiny_model, fast):
    policy = TransformersPolicy.load(tiny_model)
    policy.fast, told = fast, {}
    prompts = [str(number) for number in range(32)]
    expected = policy.generate(prompts, SAMPLING, torch.Generator().manual_seed(0))
    policy.on_finished = lambda rows, texts: told.update(zip(rows, texts, strict=True))
    found = policy.generate(prompts, SAMPLING, torch.Generator().manual_seed(0))
    assert torch.equal(found.tokens, expected.tokens) and found.texts == expected.texts
    lengths = found.mask.sum(dim=1)
    early = (lengths < lengths.max()).nonzero()[:, 0].tolist()
    assert len(early) > 10
    assert told == {row: found.texts[row] for row in early}


def test_anticipation_changes_nothing_and_nothing_is_judged_twice(tiny_model, pool, tmp_path):
    policy = TransformersPolicy.load(tiny_model)
    frame = {"after": r" = \boxed{", "opening": r"\boxed{"}  # which "}" closes
    plain, eager = (Judged(task, pool, tmp_path / task.__name__) for task in (Odd, Eager))
    one, other = plain.collect(policy, **frame), eager.collect(policy, **frame)
    assert_same(one, other)
    assert one.formatted.sum() > 4 and len({*one.rewards.flatten().tolist()}) == 2
    assert sorted(eager.lines()) == sorted(plain.lines())
    assert len(eager.lines()) == len({*eager.lines()}) >= 4
    assert policy.on_finished is None


def test_an_answer_is_judged_before_the_next_is_sampled(bandit, pool, tmp_path):
    class OneByOne(bandit.TablePolicy):
        on_finished = None

        def generate(self, prompts, sampling, generator):
            drawn = super().generate(prompts, sampling, generator)
            texts = [f"<answer>{'a' * row}</answer>" for row in range(len(prompts))]
            if self.on_finished is not None:
                for row, text in enumerate(texts[:-1]):
                    self.on_finished([row], [text])
                    wait_for(row + 1)
            return replace(drawn, texts=texts)

    def wait_for(count):
        for _ in range(12_000):
            if len(eager.lines()) >= count:
                return
            time.sleep(0.01)
        pytest.fail("a completion was not judged while others went on")

    policy = OneByOne()
    plain, eager = (Judged(task, pool, tmp_path / task.__name__) for task in (Odd, Eager))
    assert_same(plain.collect(policy), eager.collect(policy))
    answers = [line.split()[1] for line in eager.lines()]
    assert answers == [repr("a" * row) for row in range(16)]


def test_a_policy_that_does_not_tell_is_asked_as_ever(bandit, pool, tmp_path):
    eager = Judged(Eager, pool, tmp_path / "notes")
    assert eager.collect(bandit.TablePolicy()).formatted.all()


def test_a_policy_that_fails_is_left_without_a_listener(tiny_model, pool, tmp_path):
    class Failing(TransformersPolicy):
        def stopped(self, tokens, stop):
            if tokens.shape[1] < 4:
                return super().stopped(tokens, stop)
            raise RuntimeError("no more")

    policy, eager = Failing.load(tiny_model), Judged(Eager, pool, tmp_path / "notes")
    with pytest.raises(RuntimeError, match="no more"):
        eager.collect(policy)
    assert policy.on_finished is None
