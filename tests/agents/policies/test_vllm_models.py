"""Kinds of models and adapters in vLLM: those that it takes, and how others are refused; `make test-vllm`."""

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("vllm")

from edgewise.agents.policies.load import with_engine  # noqa: E402
from edgewise.agents.policies.lora import Adapters, LoRAPolicy  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.seedlings.pretrain import build_tokenizer  # noqa: E402
from edgewise.cli import main  # noqa: E402

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]  # of vLLM
ENGINE = "vllm:max_length=128"
SAMPLING = Sampling(max_tokens=24)
SHAPE = {
    "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 64, "initializer_range": 0.2,
}  # fmt: skip
KINDS = {
    "Qwen2": {},
    "Qwen2 tied": {"tie_word_embeddings": True},
    "Gemma2": {"head_dim": 32},  # always tied: vLLM has no head of it
    "Qwen2 narrow": {"hidden_size": 20},  # heads of 5, which vLLM has not on a CPU
}


def model(kind):
    tokenizer = build_tokenizer()
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    name = kind.split()[0]
    config = getattr(transformers, f"{name}Config")(
        vocab_size=len(tokenizer), **{**SHAPE, **KINDS[kind], **ends}
    )
    torch.manual_seed(0)
    return TransformersPolicy(getattr(transformers, f"{name}ForCausalLM")(config), tokenizer)


def adapted(kind, *targets):
    whole = model(kind)
    return LoRAPolicy(whole.model, whole.tokenizer, Adapters(rank=4, targets=targets))


def agrees(policy, scale):
    """Whether vLLM samples from the learner's weights after each of two changes."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        with torch.no_grad():
            for weight in policy.parameters():
                weight += scale * torch.randn(weight.shape, generator=generator)
            found = policy.generate(["1 + 1 = "] * 16, SAMPLING, torch.Generator().manual_seed(1))
            gaps = (policy.logprobs(found) - found.logprobs).abs()
        assert found.mask.sum() > 100 and gaps.max() < 2e-4
    return True


@pytest.mark.parametrize("kind", ["Qwen2 tied", "Gemma2"])
def test_whole_models_go_to_vllm_tied_or_not(kind, monkeypatch):
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")  # in which no weights would reach it
    assert agrees(with_engine(model(kind), ENGINE), scale=0.01)


@pytest.mark.parametrize("kind", ["Qwen2 tied", "Gemma2"])
def test_adapters_go_to_vllm_on_tied_models(kind):
    assert agrees(with_engine(adapted(kind, "q_proj", "down_proj"), ENGINE), scale=0.05)


def test_adapters_of_some_of_the_matrices_that_vllm_computes_at_once():
    assert agrees(with_engine(adapted("Qwen2", "gate_proj", "k_proj"), ENGINE), scale=0.05)


def test_what_was_interrupted_is_not_sampled_beside_the_next_batch(monkeypatch):
    policy = with_engine(model("Qwen2"), ENGINE)
    errors = [KeyboardInterrupt(), RuntimeError("CUDA out of memory")]

    def sampled():
        found = policy.generate(["1 + 1 = "] * 16, SAMPLING, torch.Generator().manual_seed(1))
        return found.tokens.tolist()

    expected, engine = sampled(), policy.engine.llm.llm_engine
    step = engine.step

    def fail():
        step()
        monkeypatch.setattr(engine, "step", step)
        raise errors.pop(0)

    monkeypatch.setattr(engine, "step", fail)
    with pytest.raises(KeyboardInterrupt):
        sampled()
    assert sampled() == expected
    monkeypatch.setattr(engine, "step", fail)
    assert sampled() == expected and policy.learner.parts.size == 8 and not errors


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_adapters_that_vllm_has_not_are_refused_in_one_line(target):
    with pytest.raises(ValueError, match=f"`engine` vllm failed: .*{target}") as found:
        with_engine(adapted("Qwen2", target), ENGINE)
    assert "\n" not in str(found.value)


def test_a_rank_that_vllm_has_no_room_for_is_refused_by_its_name(tmp_path, capsys):
    words = ["--engine", ENGINE, "--lora-rank", "600", "--output", str(tmp_path / "run")]
    assert main(["train", *words]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == "edgewise: `lora_rank` must be at most 512 with vLLM, got 600"


def test_a_model_that_vllm_has_not_is_refused_in_one_line(tmp_path, capsys):
    model("Qwen2 narrow").save(tmp_path / "model")
    words = ["--engine", ENGINE, "--preset", "sec", "--output", str(tmp_path / "run")]
    assert main(["train", "--agent", f"hf:{tmp_path / 'model'}", *words]) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told and not (tmp_path / "run").exists()
    assert told.splitlines()[-1].startswith("edgewise: `engine` vllm failed: ")
