"""A model small enough to train in a test, in a folder as `hf:PATH` takes it."""

import json
import os

import pytest


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from edgewise.agents.tokenizer import build_tokenizer
    from edgewise.agents.transformers_policy import TransformersPolicy

    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    config = transformers.Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=64,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
    )
    path = tmp_path_factory.mktemp("models") / "tiny"
    TransformersPolicy(transformers.Qwen2ForCausalLM(config), tokenizer).save(path)
    defaults = {"num_steps": 6, "num_problems": 4, "group_size": 4, "learning_rate": 1e-3}
    card = {"envs": ["Countdown-v0"], "preset": "seedling", "train": defaults}
    (path / "edgewise.json").write_text(json.dumps(card))
    return path
