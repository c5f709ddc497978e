"""Weights come from safetensors alone, and a model brings no code."""

import json
import pickle
import shutil

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.policies.load import load_policy  # noqa: E402
from edgewise.agents.policies.model_card import made_for, seedlings  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.policies.weights import refuse_unsafe  # noqa: E402
from edgewise.cli import main  # noqa: E402


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture
def folder(tmp_path):
    """A seedling whose weights are a pickle that makes a file."""
    path = tmp_path / "model"
    shutil.copytree(seedlings() / "sums", path)
    (path / "model.safetensors").unlink()
    (path / "pytorch_model.bin").write_bytes(pickle.dumps(Touch(tmp_path / "made")))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("model.pt", "adapter_model.bin", "tf_model.h5")
        ),
    ],
)
def test_a_model_in_another_format_is_refused_in_one_line(name, folder, tmp_path, capsys):
    (folder / "pytorch_model.bin").rename(folder / name)
    with pytest.raises(ValueError, match=f"weights must be in safetensors, got {name}.*convert"):
        TransformersPolicy.load(folder)
    words = ["eval", "--env", "Arithmetic-v0", "--preset", "sums", "--agent", f"hf:{folder}"]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "M.from_pretrained" in told and str(folder) in told
    assert not (tmp_path / "made").exists()


def test_the_line_that_is_told_converts_a_model(tmp_path):
    policy = load_policy("seedling:sums")
    old = tmp_path / "old"
    policy.save(old)
    (old / "model.safetensors").unlink()
    torch.save(policy.model.state_dict(), old / "pytorch_model.bin")
    with pytest.raises(ValueError, match="safetensors") as refused:
        refuse_unsafe(old)
    code = str(refused.value).partition('python -c "')[2].rstrip('"')
    exec(code, {})
    again = TransformersPolicy.load(f"{old}-safetensors")
    for name, weight in policy.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])


def test_code_that_comes_with_a_model_is_not_run(tmp_path):
    path = tmp_path / "model"
    shutil.copytree(seedlings() / "sums", path)
    config = (path / "config.json").read_text()
    auto = '{"auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}, "model_type": "own", '
    own = config.replace("{", auto, 1).replace('"model_type": "qwen2"', '"x": "y"')
    (path / "config.json").write_text(own)
    (path / "own.py").write_text(f"open({str(tmp_path / 'made')!r}, 'w')\n")
    with pytest.raises(ValueError, match="`model` must be a folder or hub id"):
        TransformersPolicy.load(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ('{"train": {"output": "elsewhere"}}', "edgewise.json: `train` must be one of num_steps"),
        ('{"train": {"num_steps": "9"}}', "edgewise.json: `train.num_steps` must be an integer"),
        ('{"envs": "Countdown-v0"}', "edgewise.json: `envs` must be a list"),
        ("[]", r"edgewise.json:1: must be a JSON object"),
        ("[" * 100_000, r"edgewise.json:1: must be JSON"),
    ],
    ids=range(5),
)
def test_what_a_model_says_of_itself_is_checked(card, message, tmp_path):
    (tmp_path / "edgewise.json").write_text(card)
    with pytest.raises(ValueError, match=message):
        made_for(f"hf:{tmp_path}")


def test_a_model_asks_for_no_kernel_of_the_hub(tmp_path):
    path = tmp_path / "model"
    shutil.copytree(seedlings() / "sums", path)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "attn_implementation": "evil/kernel"}))
    with pytest.raises(
        ValueError, match=r"`attn_implementation` must be one of .* got 'evil/kernel'"
    ):
        TransformersPolicy.load(path)
    (path / "config.json").write_text(json.dumps({**config, "attn_implementation": "sdpa"}))
    TransformersPolicy.load(path)
