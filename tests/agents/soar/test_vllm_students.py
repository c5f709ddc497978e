"""Students of SOAR in one batch of vLLM, each with its adapters; `make test-vllm`."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("vllm")

from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.soar.config import SOARRunConfig, game_of  # noqa: E402
from edgewise.agents.soar.models import load_models  # noqa: E402
from edgewise.agents.soar.pairs import Pair  # noqa: E402
from edgewise.agents.soar.together import PolicyCohort  # noqa: E402

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]  # of vLLM
PAIRS = [Pair("[3, 5, 2] -> 16: ", "1"), Pair("[7, 1, 4] -> 12: ", "2")]
SAMPLING = Sampling(max_tokens=24)


def changed(base, seed):
    """Adapters that are all others than those of `base`."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: weight + 0.05 * torch.randn(weight.shape, generator=generator)
        for name, weight in base.items()
    }


def test_students_are_trained_and_asked_in_one_batch_of_vllm():
    config = SOARRunConfig(
        agent="seedling", engine="vllm:max_length=256", lora_rank=8, student_problems=2,
        student_group_size=4,
    )  # fmt: skip
    game = game_of(config)
    models = load_models(config.model(game.agent), num_students=2)
    student = PolicyCohort(models.student, game.exam, game.student)
    policy, engine = student.together
    base = student.snapshot()
    adapters = [changed(base, seed) for seed in (1, 2)]

    engine.load_each(policy.learner, adapters)
    prompts = [policy.learner.tokenizer.encode(pair.question) for pair in PAIRS] * 8
    owners = [row % 2 for row in range(16)]
    ends = policy.learner.ends.tolist()
    turns = engine.sample_each(prompts, owners, SAMPLING, range(16), ends)
    for owner, own in enumerate(adapters):
        student.restore(own)
        alone = models.student.generate(["x"], SAMPLING, torch.Generator().manual_seed(0))
        with torch.no_grad():  # merged weights, which the engine is given in between
            gap = (models.student.logprobs(alone) - alone.logprobs).abs().max()
        assert gap < 1e-3
        for row in range(owner, 16, 2):
            ids = torch.tensor([[*prompts[row], *turns[row].tokens]])
            with torch.no_grad():
                found = policy.learner.model(ids).logits.log_softmax(-1)[0]
            first = len(prompts[row]) - 1
            chosen = found[first:-1].gather(1, ids[0, first + 1 :, None])[:, 0]
            assert chosen.tolist() == pytest.approx(turns[row].logprobs, abs=1e-3)

    trained = student.train_all(base, [PAIRS, PAIRS], 2, [1, 2])  # log-probabilities are compared
    assert all(own is not None for own in trained)
    assert len(student.accuracies(adapters, PAIRS)) == 2
