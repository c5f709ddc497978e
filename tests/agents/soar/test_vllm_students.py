"""Students of SOAR in one batch of vLLM, each with its adapters; `make test-vllm`."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("vllm")

from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.soar.config import SOARRunConfig, game_of  # noqa: E402
from edgewise.agents.soar.models import load_models  # noqa: E402
from edgewise.agents.soar.pairs import Pair  # noqa: E402
from edgewise.agents.soar.student import PolicyStudent  # noqa: E402

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]  # of vLLM
DATASETS = [[Pair("5-4", "1"), Pair("3+2-1", "4")], [Pair("1+7", "8"), Pair("9-6", "3")]]


def test_students_are_trained_and_asked_in_one_batch_of_vllm():
    config = SOARRunConfig(
        engine="vllm:max_length=256", lora_rank=8, student_learning_rate=5e-3,
        student_problems=2, student_group_size=8,
    )  # fmt: skip
    game = game_of(config)
    models = load_models(config.model(game.agent), num_students=2)
    student = PolicyStudent(models.student, game.exam, game.student)
    assert student.together is not None
    base = student.snapshot()
    trained = student.train_all(base, DATASETS, 2, [1, 2])  # each step compares log-probabilities
    assert all(own is not None for own in trained)
    assert any((trained[0][name] != trained[1][name]).any() for name in base)
    found = student.accuracies(trained, DATASETS[0] + DATASETS[1])
    in_turn = []
    for own in trained:
        student.restore(own)
        in_turn.append(student.accuracy(DATASETS[0] + DATASETS[1]))  # of merged weights
    assert found == in_turn
    teacher = models.teacher.generate(["pose:"] * 8, Sampling(32), torch.Generator().manual_seed(0))
    with torch.no_grad():
        gap = (models.teacher.logprobs(teacher) - teacher.logprobs).abs().max()
    assert gap < 1e-3
