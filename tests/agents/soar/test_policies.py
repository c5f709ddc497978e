"""Teacher and student of SOAR as policies: a table that poses, and a small model that answers."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.policy import Completions  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.soar.game import SOARConfig, play, start  # noqa: E402
from edgewise.agents.soar.pairs import Pair  # noqa: E402
from edgewise.agents.soar.policies import (  # noqa: E402  # noqa: E402
    Exam,
    PolicyStudent,
    PolicyTeacher,
    StudentConfig,
    TeacherConfig,
)
from edgewise.agents.soar.posing import FORMATS, TooFewProblems  # noqa: E402

TEXTS = [r"easy?\boxed{1}", r"useful?\boxed{2}", r"wrong?\boxed{3}", "no problem"]
CONFIG = TeacherConfig(num_steps=50, num_warmup_steps=2, learning_rate=0.2, kl_coef=0.0)
EXAM = Exam(template=r"{problem} \boxed{}:", rewards=(1.0, 0.3, 0.0))
HARD = [Pair(f"{i}+{i}", str(2 * i)) for i in range(12)]


class PosingTable(torch.nn.Module):
    """A policy that writes one of the texts; T = 2, the prompt is the first token."""

    def __init__(self):
        super().__init__()
        self.logits = torch.nn.Parameter(torch.zeros(len(TEXTS)))

    def frozen(self):
        return SimpleNamespace(logprobs=lambda completions: completions.mask * -np.log(4))

    def generate(self, prompts, sampling, generator):
        chances = self.logits.detach().softmax(-1)
        drawn = chances.multinomial(len(prompts), replacement=True, generator=generator)
        tokens = torch.stack([torch.zeros_like(drawn), drawn], dim=1)
        mask = torch.tensor([[0.0, 1.0]]).repeat(len(prompts), 1)
        ended = torch.ones(len(prompts), dtype=torch.bool)
        texts = [TEXTS[place] for place in drawn.tolist()]
        blank = Completions(texts, tokens, torch.ones_like(tokens), mask, mask, ended)
        return replace(blank, logprobs=self.logprobs(blank).detach())

    def logprobs(self, completions):
        return self.logits.log_softmax(-1)[completions.tokens] * completions.mask


def teacher_of(table, **options):
    return PolicyTeacher(table, "pose:", FORMATS["compact"], replace(CONFIG, **options))


def test_a_teacher_learns_to_write_what_is_rewarded():
    table = PosingTable()
    teacher = teacher_of(table)
    for _ in range(50):
        posed = teacher.write(4 * 2)
        useful = np.array([pair.question == "useful" for pair in posed.pairs])
        metrics = teacher.learn(useful.reshape(4, 2).mean(1))
    chances = table.logits.softmax(-1).tolist()
    assert chances[1] > 0.9 and metrics["learning_rate"] < 1e-3


def test_the_gradient_is_that_of_the_accepted_problems_and_their_advantages():
    table = PosingTable()
    teacher = teacher_of(table, learning_rate=1e-9)
    posed = teacher.write(6)
    rewards = np.array([0.5, 0.0, 0.1])
    seen = {}
    table.logits.register_hook(lambda gradient: seen.update(gradient=gradient.clone()))
    teacher.learn(rewards)
    questions = [text.split("?")[0] for text in TEXTS]
    places = [questions.index(pair.question) for pair in posed.pairs]
    advantages = np.repeat([0.5 - 0.05, 0.0 - 0.3, 0.1 - 0.25], 2)
    expected = sum(a * (np.eye(4)[z] - 0.25) for a, z in zip(advantages, places, strict=True))
    assert np.allclose(seen["gradient"].numpy(), -expected / 6, atol=1e-6)  # a mean, to descend


def test_equal_rewards_teach_nothing_and_the_divergence_is_paid_for():
    table = PosingTable()
    teacher = teacher_of(table)
    teacher.write(8)
    teacher.learn(np.full(4, 0.3))
    assert not table.logits.any()
    table.logits.data[1] = 2.0
    teacher = teacher_of(table, kl_coef=1.0)
    for _ in range(30):
        teacher.write(8)
        metrics = teacher.learn(np.zeros(4))
    assert table.logits.softmax(-1)[1] < 0.5 and "kl" in metrics


def test_a_teacher_gives_up_after_its_attempts():
    table = PosingTable()
    table.logits.data[3] = 50.0
    with pytest.raises(TooFewProblems, match="0 of 4 problems in 32 attempts"):
        teacher_of(table).write(4)


def test_a_teacher_of_two_turns_learns_from_both_and_filters_nothing(tiny_model):
    policy = TransformersPolicy.load(tiny_model)
    config = replace(CONFIG, learning_rate=1e-2, sampling=Sampling(max_tokens=12))
    teacher = PolicyTeacher(policy, "pose:", FORMATS["compact-turns"], config)
    posed = teacher.write(6)
    assert posed.num_attempts == 6 and not any(posed.rejected.values())
    (attempt,) = teacher.attempts
    prompt, between = (len(policy.tokenizer.encode(text)) for text in ("pose:", " "))
    assert attempt.mask.sum(1).max() <= 24 and not attempt.mask[:, :prompt].any()
    row = attempt.mask[0].tolist()
    runs = sum(now > before for before, now in zip([0.0, *row], row, strict=False))
    assert runs == 2 and between >= 1  # what is said between the turns is not learnt
    before = [parameter.clone() for parameter in policy.parameters()]
    teacher.learn(np.array([1.0, 0.0, 0.0]))
    assert any((new != old).any() for new, old in zip(policy.parameters(), before, strict=True))


@pytest.fixture(scope="module")
def student(tiny_model):
    config = StudentConfig(num_problems=2, group_size=8, learning_rate=1e-2, max_tokens=16)
    return PolicyStudent(TransformersPolicy.load(tiny_model), EXAM, config)


def test_a_student_learns_and_is_put_back(student):
    always_one = [Pair("5-4", "1"), Pair("3-2", "1")]
    before = student.snapshot()
    success = student.success(always_one, 16, seed=0)
    told = []
    student.train(always_one, 4, seed=0, report=told.append)
    trained = student.snapshot()
    assert len(told) == 4 and any((trained[name] != before[name]).any() for name in trained)
    student.restore(before)
    assert np.array_equal(student.success(always_one, 16, seed=0), success)
    student.train(always_one, 4, seed=0)  # the same seed, the same student
    again = student.snapshot()
    assert all(torch.equal(trained[name], again[name]) for name in trained)
    student.restore(before)
    student.train(always_one, 4, seed=1)
    assert any((student.snapshot()[name] != trained[name]).any() for name in trained)
    student.restore(before)


def test_greedy_answers_are_compared_with_the_pairs(student):
    texts = [pair.question for pair in HARD]
    envs = student.framed(HARD, len(HARD), 1)
    groups = [{"level": 1, "problem_seed": row} for row in range(len(HARD))]
    prompts, _ = envs.reset(options={"groups": groups})
    assert prompts[3] == r"3+3 \boxed{}:"
    answers = student.answers([Pair(text, "1") for text in texts], 32, 1.0, seed=1)
    assert answers.shape == (len(texts), 32) and 0 < answers.mean() < 1
    assert not student.answers([Pair(text, "no number") for text in texts], 32, 1.0, seed=1).any()


@pytest.mark.slow
def test_the_game_with_policies_resumes_exactly(student, tmp_path):
    base = student.snapshot()
    config = SOARConfig(
        num_steps=4, num_datasets=2, dataset_size=2, num_students=2, inner_steps=2, threshold=-9.0,
        window=1, num_hard=6, more_steps=1,
    )  # fmt: skip

    def begin():
        student.restore(base)
        table = PosingTable()
        return table, teacher_of(table), start(student, config)

    table, teacher, state = begin()
    whole = list(play(teacher, student, HARD, config, state))
    end = table.logits.detach().clone()
    table, teacher, state = begin()
    for metrics in play(teacher, student, HARD, config, state):
        if metrics["step"] == 2:
            torch.save(
                [table.state_dict(), teacher.state_dict(), state.state_dict()], tmp_path / "s"
            )
            break
    saved = torch.load(tmp_path / "s", weights_only=True)
    table, teacher, state = begin()
    table.load_state_dict(saved[0])
    teacher.load_state_dict(saved[1])
    state.load_state_dict(saved[2])
    assert list(play(teacher, student, HARD, config, state)) == whole[2:]
    assert torch.equal(table.logits, end) and state.num_promoted == 4
    student.restore(base)


def test_replies_are_what_stands_in_the_boxes(student):
    replies = student.replies(HARD[:3], 32, seed=1)
    assert [len(row) for row in replies] == [32] * 3
    ones = student.answers([replace(pair, answer="1") for pair in HARD[:3]], 32, 1.0, seed=1)
    assert [row.count("1") for row in replies] == ones.sum(axis=1).tolist() and ones.any()


def test_a_sampling_is_the_students_own(student):
    assert student.sampling(0.5) == Sampling(16, 0.5)
