"""Teacher and student: of one set of base weights with adapters, and of one engine."""

import gc

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.soar.config import SOARRunConfig  # noqa: E402
from edgewise.agents.soar.models import (  # noqa: E402
    SharingPolicy,
    as_now,
    learner_of,
    load_models,
    twin,
)
from edgewise.agents.soar.run import begin, resume  # noqa: E402

SAMPLING = Sampling(max_tokens=6)


def sampled(policy, seed=0):
    return policy.generate(["1 + 1 = "] * 4, SAMPLING, torch.Generator().manual_seed(seed))


def change(policy):
    with torch.no_grad():
        for weight in policy.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))


def scores(scorer, completions):
    with torch.no_grad():
        return scorer.logprobs(completions)


def test_an_engine_of_two_has_the_weights_of_whoever_samples(tiny_model, model_engine):
    engine = model_engine(tiny_model)
    teacher, student = (
        SharingPolicy(TransformersPolicy.load(tiny_model), engine) for _ in range(2)
    )
    teacher.other, student.other = student, teacher
    before = sampled(teacher)
    change(student)
    other = sampled(student)
    assert scores(student, other) == pytest.approx(other.logprobs, abs=1e-5)
    assert torch.equal(sampled(teacher).tokens, before.tokens)
    loads = engine.calls.count("load")
    sampled(teacher)
    assert engine.calls.count("load") == loads  # nobody else sampled in between


def lora_models(tiny_model):
    pytest.importorskip("peft")
    config = SOARRunConfig(agent=f"hf:{tiny_model}", lora_rank=2)
    return load_models(config.model(config.agent))


def test_base_weights_are_in_memory_once(tiny_model):
    gc.collect()
    models = lora_models(tiny_model)
    teacher, student = models.teacher, models.student
    third = as_now(student)
    kept = [
        {weight.data_ptr() for weight in policy.model.parameters() if not weight.requires_grad}
        for policy in (teacher, student, third)
    ]
    assert kept[0] == kept[1] == kept[2] != set()
    trained = [
        {weight.data_ptr() for weight in policy.parameters()} for policy in (teacher, student)
    ]
    assert not trained[0] & trained[1]
    before = {name: weight.clone() for name, weight in teacher.state_dict().items()}
    start = sampled(teacher)
    change(student)
    assert all(torch.equal(before[name], weight) for name, weight in teacher.state_dict().items())
    assert (scores(student, start) - scores(teacher, start)).abs().max() > 1e-3


def test_the_reference_of_a_student_is_what_it_was_and_not_the_base(tiny_model):
    student = lora_models(tiny_model).student
    change(student)
    found = sampled(student)
    reference, base = as_now(student), student.frozen()
    then = scores(student, found)
    change(student)
    assert torch.equal(scores(reference, found), then)
    assert (scores(base, found) - then).abs().max() > 1e-3
    assert twin(student).tokenizer is student.tokenizer


@pytest.mark.slow
def test_a_game_of_adapters_resumes_exactly(poser_model, tmp_path):
    pytest.importorskip("peft")

    def config(name):
        return SOARRunConfig(
            agent=f"hf:{poser_model}", output=tmp_path / name, num_steps=3, num_datasets=2,
            dataset_size=2, num_students=1, inner_steps=1, threshold=-9.0, lora_rank=2,
            teacher_learning_rate=0.01, student_learning_rate=0.01,
        )  # fmt: skip

    def plain(row):
        return {name: value for name, value in row.items() if not name.startswith("time/")}

    whole = begin(config("whole"))
    rows = [plain(row) for row in whole.steps()]
    half = begin(config("half"))
    found = [plain(next(half.steps()))]
    half = resume(tmp_path / "half")
    found += [plain(row) for row in half.steps()]
    assert found == rows and any(row["promoted"] for row in rows)
    half.finish()
    for name in ("teacher", "student"):
        assert TransformersPolicy.load(tmp_path / "half" / name)
    size = sum(weight.numel() for weight in learner_of(half.student.policy).parameters())
    assert sum(weight.numel() for weight in half.state.baseline.values()) == size < 1_000
