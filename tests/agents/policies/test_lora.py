"""Adapters: only they are trained and saved, and a run of them continues bit for bit."""

import json
import subprocess
import sys
from contextlib import closing

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from safetensors.torch import load_file, save_file  # noqa: E402
from torch import nn  # noqa: E402

from edgewise.agents import load_policy  # noqa: E402
from edgewise.agents.policies.lora import FILE, Adapters, LoRAPolicy  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.policies.untied import write_config, write_weights  # noqa: E402
from edgewise.agents.training.checkpoint import restore  # noqa: E402
from edgewise.agents.training.config import TrainConfig  # noqa: E402
from edgewise.agents.training.run import begin, resume  # noqa: E402
from edgewise.cli import main  # noqa: E402
from edgewise.files import FileError  # noqa: E402

PROMPTS = ["1 + 1 = ", "[3, 5, 2] -> 16: "] * 4


def config(model, path, **changes):
    options = {"agent": f"hf:{model}", "output": path, "preset": "sec", "evaluate": False}
    size = {"num_steps": 4, "max_tokens": 12, "checkpoint_every": 2, "lora_rank": 2}
    return TrainConfig(**{**options, **size, "learning_rate": 1e-2, **changes})


def adapted(model, **adapters):
    plain = TransformersPolicy.load(model)
    return LoRAPolicy(plain.model, plain.tokenizer, Adapters(**adapters))


def sampled(policy):
    return policy.generate(PROMPTS, Sampling(max_tokens=12), torch.Generator().manual_seed(0))


def records(path):
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in lines]


def test_adapters_are_those_of_the_paper_and_change_nothing_at_first(tiny_model):
    policy = adapted(tiny_model)
    shapes = {name.split("self_attn.")[1]: w.shape for name, w in policy.state_dict().items()}
    assert shapes == {
        "q_proj.lora_A.default.weight": (32, 32),
        "q_proj.lora_B.default.weight": (32, 32),
        "v_proj.lora_A.default.weight": (32, 32),
        "v_proj.lora_B.default.weight": (16, 32),
    }
    assert policy.model.peft_config["default"].lora_alpha == 64
    assert torch.equal(sampled(policy).tokens, sampled(TransformersPolicy.load(tiny_model)).tokens)


def test_the_same_adapters_are_made_every_time(tiny_model):
    one, two = (adapted(tiny_model).state_dict() for _ in range(2))
    torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_only_adapters_are_trained_and_saved(tiny_model, tmp_path):
    training = begin(config(tiny_model, tmp_path / "run"))
    before = {name: weight.clone() for name, weight in training.policy.model.named_parameters()}
    list(training.steps())
    after = dict(training.policy.model.named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and all("lora_" in name for name in moved)
    saved = tmp_path / "run" / "checkpoints" / "4" / "model"
    assert [path.name for path in saved.iterdir()] == ["adapters.safetensors"]
    assert load_file(saved / "adapters.safetensors").keys() == training.policy.state_dict().keys()


def test_the_model_that_is_left_has_the_adapters_in_it(tiny_model, tmp_path):
    training = begin(config(tiny_model, tmp_path / "run"))
    list(training.steps())
    completions = sampled(training.policy)
    merged = TransformersPolicy.load(training.finish()).logprobs(completions)
    torch.testing.assert_close(merged, completions.logprobs, rtol=0, atol=1e-5)
    plain = TransformersPolicy.load(tiny_model).logprobs(completions)
    assert (plain - completions.logprobs).abs().max() > 1e-4


def test_the_reference_is_the_model_without_its_adapters(tiny_model):
    policy, plain = adapted(tiny_model), TransformersPolicy.load(tiny_model)
    completions, reference = sampled(plain), policy.frozen()
    for weight in policy.parameters():
        weight.data.add_(0.1)
    expected = plain.logprobs(completions)
    torch.testing.assert_close(reference.logprobs(completions), expected, rtol=0, atol=1e-6)
    assert (policy.logprobs(completions) - expected).abs().max() > 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"algorithm": "ppo:kl_coef=0.1"},
        {"dtype": "bfloat16"},
        {"lora_dropout": 0.5, "algorithm": "grpo:num_epochs=2:lr_schedule=cosine"},
    ],
    ids=str,
)
def test_a_run_with_adapters_continues_bit_for_bit(tiny_model, tmp_path, changes):
    whole = begin(config(tiny_model, tmp_path / "whole", **changes))
    list(whole.steps())
    with closing(begin(config(tiny_model, tmp_path / "run", **changes)).steps()) as steps:
        next(steps)
    again = resume(tmp_path / "run")
    list(again.steps())
    assert records(tmp_path / "run") == records(tmp_path / "whole")
    torch.testing.assert_close(again.policy.state_dict(), whole.policy.state_dict(), rtol=0, atol=0)
    assert {weight.dtype for weight in again.policy.parameters()} == {torch.float32}


def with_effect(model, **adapters):
    policy = adapted(model, rank=4, **adapters)
    for weight in policy.parameters():
        weight.data.add_(0.05)
    return policy


def test_dropout_acts_where_there_is_a_gradient_and_nowhere_else(tiny_model):
    plain, policy = with_effect(tiny_model), with_effect(tiny_model, dropout=0.5)
    completions = sampled(policy)
    assert torch.equal(completions.tokens, sampled(plain).tokens)
    with torch.no_grad():
        assert torch.equal(policy.logprobs(completions), plain.logprobs(completions))
    dropped = policy.logprobs(completions)
    assert (dropped - plain.logprobs(completions)).abs().max() > 1e-3
    assert torch.equal(dropped, policy.logprobs(completions))  # the same pass
    policy.parameters()[-1].data.add_(1e-3)  # another one, after an update
    assert (dropped - policy.logprobs(completions)).abs().max() > 1e-3


def test_every_adapter_has_a_mask_of_its_own_that_keeps_the_mean(tiny_model):
    policy = adapted(tiny_model, dropout=0.25)
    ones = torch.ones(64, 16, 32)
    masks = [dropout(ones).detach() for dropout in policy.dropouts]
    assert len(masks) == 4 and len({mask.sum().item() for mask in masks}) == 4
    for mask in masks:
        assert mask.unique().tolist() == [0.0, pytest.approx(4 / 3)]
        assert mask.mean().item() == pytest.approx(1.0, abs=0.02)


def test_what_is_computed_again_for_the_gradient_has_the_same_dropout(tiny_model):
    gradients = []
    for checkpointing in (False, True):
        policy = with_effect(tiny_model, dropout=0.5)
        policy.gradient_checkpointing = checkpointing
        policy.shares_prompts = False  # else masks are of other shapes
        completions = sampled(policy)
        loss = policy.logprobs(completions).sum()
        with torch.no_grad():
            policy.frozen().logprobs(completions)  # a reference, between the two
        loss.backward()
        gradients.append([weight.grad for weight in policy.parameters()])
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora_dropout": 1.0}, r"`lora_dropout` must be in \[0, 1\), got 1.0"),
        ({"lora_rank": None, "lora_dropout": 0.1}, "`lora_dropout` must be left out without"),
        ({"lora_rank": 0}, "`lora_rank` must be at least 1, got 0"),
        ({"lora_alpha": 0.0}, "`lora_alpha` must be positive, got 0.0"),
        ({"lora_targets": ("query",)}, "Target modules .*query.* not found"),
        ({"lora_targets": ()}, r"`lora_targets` must name matrices, got \(\)"),
        (
            {"lora_targets": ("q_proj", "lm_head")},
            "must name no matrix that is tied .*, got lm_head",
        ),
        ({"lora_targets": ("embed_tokens",)}, "must name no matrix that is tied .* edgewise untie"),
    ],
)
def test_adapters_that_cannot_be_are_refused(tiny_model, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        begin(config(tiny_model, tmp_path / "run", **changes))


@pytest.mark.parametrize("targets", [("lm_head",), ("embed_tokens",), ("q_proj", "down_proj")])
def test_what_is_left_computes_what_was_trained_whatever_the_targets(tiny_model, tmp_path, targets):
    """Of an untied model: merged into tied weights, adapters would change both of their uses."""
    policy = load_policy(f"hf:{tiny_model}")
    write_config(policy, tmp_path / "untied")
    write_weights(policy.state_dict(), tmp_path / "untied")
    policy = adapted(tmp_path / "untied", rank=2, targets=targets)
    for number, weight in enumerate(policy.parameters()):
        nn.init.normal_(weight, std=0.1, generator=torch.Generator().manual_seed(number))
    tokens = torch.arange(8)[None]
    trained = policy.model(tokens).logits
    policy.export(tmp_path / "merged")
    torch.testing.assert_close(
        TransformersPolicy.load(tmp_path / "merged").model(tokens).logits, trained
    )
    assert not torch.allclose(
        TransformersPolicy.load(tmp_path / "untied").model(tokens).logits, trained
    )


@pytest.mark.parametrize("targets", [("q_proj", "v_proj"), ("lm_head",), ("embed_tokens",)])
def test_adapters_are_written_as_peft_reads_them_and_no_others_weights(
    tiny_model, tmp_path, targets
):
    untied = load_policy(f"hf:{tiny_model}")
    write_config(untied, tmp_path / "untied")
    write_weights(untied.state_dict(), tmp_path / "untied")
    policy = adapted(tmp_path / "untied", rank=2, targets=targets)
    for number, weight in enumerate(policy.parameters()):
        nn.init.normal_(weight, std=0.1, generator=torch.Generator().manual_seed(number))
    policy.write_adapters(tmp_path / "adapters" / "new")
    policy.model.save_pretrained(tmp_path / "peft", save_embedding_layers=False)
    found, expected = (
        load_file(path / "adapter_model.safetensors")
        for path in (tmp_path / "adapters" / "new", tmp_path / "peft")
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    settings = [
        json.loads((path / "adapter_config.json").read_text())
        for path in (tmp_path / "adapters" / "new", tmp_path / "peft")
    ]
    assert settings[0] == {**settings[1], "inference_mode": settings[0]["inference_mode"]}


FOREIGN = {
    "one lacks": lambda weights: dict(list(weights.items())[1:]),
    "one is more": lambda weights: {**weights, "other": torch.zeros(2)},
    "of another rank": lambda weights: {n: torch.zeros(3, *w.shape) for n, w in weights.items()},
    "that would be repeated": lambda weights: {n: torch.ones(1, 1) for n in weights},
    "whole numbers": lambda weights: {n: w.long() for n, w in weights.items()},
    "of another layer": lambda weights: {n.replace(".0.", ".9."): w for n, w in weights.items()},
}


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
def test_adapters_of_another_run_are_refused_and_none_of_them_is_loaded(
    tiny_model, tmp_path, change
):
    policy = adapted(tiny_model, rank=2)
    policy.save(tmp_path)
    before = {name: weight.clone() for name, weight in policy.state_dict().items()}
    save_file(change(load_file(tmp_path / FILE)), tmp_path / FILE)
    with pytest.raises(FileError, match=r"must have the weights of the model, got: .* must "):
        restore(tmp_path, policy)
    assert all(torch.equal(weight, before[name]) for name, weight in policy.state_dict().items())


def test_a_folder_of_adapters_is_no_model_and_the_one_that_it_names_is_not_loaded(
    tiny_model, tmp_path, capsys
):
    policy = adapted(tiny_model, rank=2)
    policy.export(tmp_path / "both")
    policy.write_adapters(tmp_path / "both")
    policy.write_adapters(tmp_path / "alone")
    for name in ("both", "alone"):
        path = tmp_path / name / "adapter_config.json"
        settings = {**json.loads(path.read_text()), "base_model_name_or_path": "someone/else"}
        path.write_text(json.dumps(settings))
        words = ["eval", "--env", "Countdown-v0", "--output", str(tmp_path / "out")]
        assert main([*words, "--agent", f"hf:{path.parent}"]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"edgewise: {path.parent}: must be a whole model, got adapters")
        assert "merge_and_unload" in said and said.count("\n") == 1


def test_without_the_extra_it_is_named(tiny_model, tmp_path):
    code = "import sys; sys.modules['peft'] = None; from edgewise.cli import main; sys.exit(main())"
    flags = f"train --agent hf:{tiny_model} --lora-rank 4 --output {tmp_path / 'run'}"
    ran = subprocess.run(
        [sys.executable, "-c", code, *flags.split()], capture_output=True, text=True
    )
    line = "edgewise: adapters need the extra `scale`: pip install 'edgewise[scale]'\n"
    assert (ran.returncode, ran.stderr) == (2, line)
