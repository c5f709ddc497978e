"""A plan of memory: by numbers worked by hand, against what training takes, and what it refuses."""

import json
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.seedlings.pretrain import build_tokenizer  # noqa: E402
from edgewise.agents.training.memory_plan import Work, plan_of  # noqa: E402
from edgewise.agents.training.model_shapes import KNOWN, ModelShape, shape_of  # noqa: E402
from edgewise.agents.training.plan import plan_run, warnings_of  # noqa: E402
from edgewise.agents.training.plan_config import PreflightConfig, read_size  # noqa: E402
from edgewise.cli import main  # noqa: E402

PUBLISHED = {  # parameters, as the hub counts them
    "Qwen/Qwen2.5-0.5B": 494_032_768,
    "Qwen/Qwen2.5-1.5B": 1_543_714_304,
    "Qwen/Qwen2.5-3B": 3_085_938_688,
    "Qwen/Qwen2.5-7B": 7_615_616_512,
    "meta-llama/Llama-3.2-1B": 1_235_814_400,
    "meta-llama/Llama-3.2-3B": 3_212_749_824,
    "meta-llama/Llama-3.1-8B": 8_030_261_248,
}


def test_known_models_have_as_many_parameters_as_are_published():
    assert {
        name: ModelShape.of(config).num_parameters for name, config in KNOWN.items()
    } == PUBLISHED
    assert shape_of("hf:Qwen/Qwen2.5-3B-Instruct") == shape_of("hf:Qwen/Qwen2.5-3B")


@pytest.mark.parametrize("kind", ["qwen2", "qwen3", "llama", "mistral"])
@pytest.mark.parametrize("more", [{}, {"tie_word_embeddings": False}, {"head_dim": 24}], ids=str)
def test_parameters_are_those_of_the_model(kind, more):
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True}
    config = transformers.AutoConfig.for_model(kind, **{**sizes, **heads, **more})
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    shape = ModelShape.of(config.to_dict())
    assert shape.num_parameters == model.num_parameters()
    layer = sum(weight.numel() for weight in model.model.layers[0].parameters())
    assert shape.layer_parameters == layer


def work(**changes):
    options = {
        "shape": shape_of("hf:Qwen/Qwen2.5-1.5B"), "dtype": "bfloat16", "device": "cuda",
        "num_processes": 1, "sharded": False, "checkpointing": True, "reference": False,
        "adapters": None, "engine_share": 0.0, "samples_itself": True, "decode_dtype": "bfloat16",
        "rows": 16, "minibatch": 16, "row_tokens": 1024,
    }  # fmt: skip
    return Work(**{**options, **changes})


def test_what_is_there_all_the_time_by_hand():
    p = 1_543_714_304
    plain = {"weights": 2 * p, "master weights": 4 * p, "gradients": 4 * p, "optimiser": 8 * p}
    assert plan_of(work()).always == plain
    assert plan_of(work(reference=True)).always == {**plain, "reference": 2 * p}
    full = {"weights": 4 * p, "gradients": 4 * p, "optimiser": 8 * p}
    assert plan_of(work(dtype="float32")).always == full
    shards = {name: count / 4 for name, count in full.items()}
    assert plan_of(work(sharded=True, num_processes=4)).always == shards


def test_adapters_leave_the_weights_below_alone():
    # queries 1536 -> 1536 and values 1536 -> 256 of 28 layers, rank 32: 28 * 32 * (3072 + 1792)
    a, p = 28 * 32 * (3072 + 1792), 1_543_714_304
    plan = plan_of(work(adapters=(32, ("q_proj", "v_proj")), reference=True))
    found = {"weights": 2 * p, "adapters": 4 * a, "gradients": 4 * a, "optimiser": 8 * a}
    assert plan.always == found and plan.phases["export"] == {"merged model": 2 * p}


def test_the_cache_and_the_distributions_by_hand():
    # 2 kinds, 2 bytes, 28 layers, 2 heads of 128; 16 rows of 1024 tokens
    sampling = plan_of(work()).phases["sampling"]
    assert sampling["cache"] == 16 * 1024 * 2 * 2 * 28 * 256
    assert sampling["distributions"] == 16 * 151_936 * 20
    engine = plan_of(work(samples_itself=False, engine_share=0.3), memory=10**11)
    assert engine.phases["sampling"] == {"engine": 3 * 10**10}


def test_rows_and_passes_are_halved_as_a_run_does_it():
    large = work(rows=256, minibatch=256)
    whole = plan_of(large)
    assert (whole.work.rows, whole.work.pass_tokens) == (256, 256 * 1024)
    half = plan_of(large, memory=whole.needs() // 2)
    assert half.work.pass_tokens < 256 * 1024 and half.needs() <= whole.needs() // 2
    least = plan_of(large, memory=10**9)  # which cannot be
    assert least.work.pass_tokens < 256 * 1024 and least.needs() > 10**9


def test_the_ranks_of_a_sharded_model_stay_in_step():
    large = work(rows=256, minibatch=256, sharded=True, num_processes=2)
    assert plan_of(large, memory=3 * 10**10).work.pass_tokens == 256 * 1024
    assert plan_of(replace(large, max_tokens_per_pass=4096)).work.pass_tokens == 4096


def planned(capsys, words):
    code = main(["preflight", "--plan", *shlex.split(words)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_plan_needs_no_weights_and_ends_in_a_verdict(tmp_path, capsys):
    config = {"model_type": "qwen2", "tie_word_embeddings": True, **KNOWN["Qwen/Qwen2.5-0.5B"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = f"--agent hf:{tmp_path} --preset e2h --num-problems 16 --device cuda --memory 80GB"
    code, out, err = planned(capsys, f"{words} --tokens-per-second 6553.6 --num-steps 180")
    assert (code, err) == (0, "") and "494,032,768 parameters, all trained" in out
    assert "65,536 tokens, completions of 512: 10.0 s, and 180 steps 0.5 h" in out
    assert out.splitlines()[-1].startswith("fits: ") and out.rstrip().endswith(" of 80.00 GB")


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ("--agent hf:Qwen/Qwen2.5-3B --device cuda --dtype bfloat16 --memory 60GB", "--sharding fsdp"),
        ("--agent hf:Qwen/Qwen2.5-0.5B --device cuda --memory 11GB", "--gradient-checkpointing"),
        ("--agent hf:Qwen/Qwen2.5-1.5B --device cuda --engine vllm --memory 24GB", "--gradient-checkpointing"),
        ("--agent hf:Qwen/Qwen2.5-7B --sharding fsdp --processes 8 --device cuda --dtype bfloat16"
         " --gradient-checkpointing --memory 80GB", "--max-tokens-per-pass"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_flags_that_make_it_fit(words, flags, capsys):
    code, out, err = planned(capsys, words)
    assert code == 2 and err.count("\n") == 1 and out.splitlines()[-1].startswith("does not fit: ")
    assert "`memory` must be at least" in err
    told = err.rpartition("; give ")[2]
    assert flags in told
    code, out, err = planned(capsys, f"{words} {told}")
    assert (code, err) == (0, "") and out.splitlines()[-1].startswith("fits: ")


def test_what_no_flag_makes_fit_is_said(capsys):
    words = "--agent hf:meta-llama/Llama-3.1-8B --device cuda --dtype bfloat16 --memory 1GB"
    code, _, err = planned(capsys, words)
    assert code == 2 and "take a smaller model, or more memory" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--memory 3 apples", "`memory` must be a size such as 141GB or 24GiB, got '3 apples'"),
        ("--device cuda", "`memory` must be given where there is no GPU; give --memory 141GB"),
        (
            "--agent hf:Nobody/Model",
            "`agent` must be a folder with a config.json, or one of hf:Qwen",
        ),
        ("--sharding fsdp", "`processes` must be at least 2 with `sharding` fsdp, got 1"),
        ("--tokens-per-second 0", "`tokens_per_second` must be positive, got 0.0"),
        ("--processes 0", "`processes` must be at least 1, got 0"),
        ("--algorithm grpo:clip=1", "clip"),
    ],
)
def test_what_cannot_be_planned_is_told_in_one_line(words, message, capsys):
    if "cuda" in words and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    if "apples" in words:
        words = "--memory '3 apples'"
    code, out, err = planned(capsys, words)
    assert (code, out, err.count("\n")) == (2, "", 1) and message in err


def test_a_config_that_says_no_sizes_is_told_with_its_path(tmp_path, capsys):
    for content, message in (
        ("{}", "`model_type` must be one of"),
        ('{"model_type": "llama"}', "sizes"),
    ):
        (tmp_path / "config.json").write_text(content)
        code, _, err = planned(capsys, f"--agent hf:{tmp_path}")
        assert (
            code == 2
            and err.startswith(f"edgewise: {tmp_path / 'config.json'}: ")
            and message in err
        )


def test_flags_of_a_plan_are_refused_without_one(capsys):
    assert main(["preflight", "--memory", "3GB"]) == 2
    assert "`memory` must be left out without `plan`" in capsys.readouterr().err


def test_sizes():
    assert [read_size(text) for text in ("1.5GB", "2 MiB", "3MB")] == [
        1_500_000_000,
        2**21,
        3_000_000,
    ]


@pytest.mark.parametrize(
    ("flags", "dtype", "warned"),
    [("fpu avx512_bf16", "bfloat16", False), ("fpu avx2", "bfloat16", True), ("fpu", "float32", False)],
)  # fmt: skip
def test_bfloat16_is_warned_of_where_it_is_slow(tmp_path, flags, dtype, warned):
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
    on_cpu = work(device="cpu", dtype=dtype, decode_dtype=dtype)
    assert bool(list(warnings_of(on_cpu, tmp_path / "cpuinfo"))) == warned
    assert not list(warnings_of(work(dtype=dtype), tmp_path / "cpuinfo"))


PEAK = """
import json, sys
from pathlib import Path
import edgewise.cli.train, edgewise.envs.countdown.task
from edgewise.agents.training.config import TrainConfig
from edgewise.agents.training.run import begin

def high():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

imported = high()
training = begin(TrainConfig(output=Path(sys.argv[1]), **json.loads(sys.argv[2])))
list(training.steps())
print(high() - imported)
"""
SIZES = {  # hidden, intermediate, layers, heads, heads of keys, vocabulary
    "wide": (768, 2048, 4, 12, 4, 32_000),
    "long": (256, 704, 6, 4, 2, 8_192),
    "deep": (512, 1376, 8, 8, 2, 16_000),
}
RUNS = {
    "wide": {"group_size": 4, "max_tokens": 48},
    "long": {"num_problems": 4, "group_size": 8, "max_tokens": 240},
    "deep": {
        "group_size": 8, "max_tokens": 160, "dtype": "bfloat16", "gradient_checkpointing": True,
        "algorithm": "grpo:kl_coef=0.01",
    },
}  # fmt: skip


def make_model(path, hidden, intermediate, layers, heads, keys, vocabulary):
    tokenizer = build_tokenizer()
    config = transformers.Qwen2Config(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=intermediate,
        num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=keys,
        tie_word_embeddings=True, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    TransformersPolicy(transformers.Qwen2ForCausalLM(config), tokenizer).save(path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("name", list(SIZES))
def test_the_plan_is_within_15_percent_of_the_measured_peak(name, tmp_path):
    make_model(tmp_path / "model", *SIZES[name])
    flags = {
        "agent": f"hf:{tmp_path / 'model'}", "preset": "seedling", "num_steps": 2, "num_problems": 2,
        "algorithm": "ppo:num_minibatches=1", "evaluate": False, "learning_rate": 1e-5, **RUNS[name],
    }  # fmt: skip
    words = [sys.executable, "-c", PEAK, str(tmp_path / "run"), json.dumps(flags)]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    planned = plan_run(PreflightConfig(plan=True, **flags)).plan.peak
    assert planned == pytest.approx(int(told), rel=0.15)
