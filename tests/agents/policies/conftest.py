"""Small random models of the kinds that have a faster way."""

import pytest

SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "initializer_range": 0.2,  # so that the distributions are not flat
}
LONG = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0}
LONG |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 16}
KINDS = {
    "qwen2": ("Qwen2", {}),
    "qwen2 tied": ("Qwen2", {"tie_word_embeddings": True, "num_key_value_heads": 1}),
    "llama": ("Llama", {}),
    "llama long": ("Llama", {"rope_parameters": LONG, "head_dim": 16}),
}


@pytest.fixture(params=KINDS)
def kind(request):
    """A kind of model, for `build`."""
    return request.param


@pytest.fixture
def build():
    """What makes a policy over a random model of a kind, with options of its config."""
    return build_policy


def build_policy(kind="qwen2", **options):
    """Return a random model, with gains and biases that are not 1 and 0."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from edgewise.agents.policies.transformers import TransformersPolicy
    from edgewise.agents.seedlings.pretrain import build_tokenizer

    tokenizer = build_tokenizer()
    name, shape = KINDS[kind]
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    make_config = getattr(transformers, f"{name}Config")
    config = make_config(vocab_size=len(tokenizer), **{**SHAPE, **shape, **ends, **options})
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}ForCausalLM")(config)
    for weight in model.parameters():
        if weight.dim() == 1:
            weight.data += 0.2 * torch.randn_like(weight)
    policy = TransformersPolicy(model, tokenizer)
    policy.ends = torch.arange(tokenizer.eos_token_id, 16)  # so that rows end at many lengths
    return policy
