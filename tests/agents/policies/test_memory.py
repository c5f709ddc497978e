"""The formula of a pass: by hand, and against what the kernel counts."""

import subprocess
import sys
from dataclasses import replace

import pytest

from edgewise.agents.policies.memory import PassShape, chunk_size, masked_tokens, pass_bytes

QWEN = {  # Qwen2.5-1.5B
    "hidden_size": 1536,
    "num_hidden_layers": 28,
    "intermediate_size": 8960,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151_936,
}


def test_a_shape_is_read_from_a_config():
    assert PassShape.of(QWEN) == PassShape(1536, 28, 8960, 1536, 256, 151_936)
    wide = PassShape.of({**QWEN, "head_dim": 256})
    assert (wide.attention_size, wide.key_value_size) == (3072, 512)


def test_the_bytes_of_a_pass_are_those_worked_out_by_hand():
    shape = PassShape(8, 3, 16, 8, 4, vocab_size=100)
    # a layer keeps 6 * 8 + 5 * 8 + 4 * 16 = 152 values of a token, and works with 16 + 8 = 24 more;
    # the logits of a chunk, 4 * 5 * 100, and 5 * 4 * 10 * 8 for the last states are 3600
    kept = pass_bytes(shape, 10, 4, checkpointing=False, logits_per_chunk=500)
    assert kept == 4 * 10 * 3 * 152 + 3600 + 4 * 100 * 8
    fused = pass_bytes(shape, 10, 4, checkpointing=False, fused=True, logits_per_chunk=500)
    assert kept - fused == 4 * 10 * 3 * (152 - 80)  # 2 * 8 + 3 * 8 + 2 * 4 + 2 * 16
    again = pass_bytes(shape, 10, 4, checkpointing=True, logits_per_chunk=500)
    assert again == 4 * 10 * 3 * 8 + 4 * 10 * (152 + 24 + 2 * 8) + 4 * 100 * 8  # 7680 of one layer
    half = pass_bytes(shape, 10, 2, checkpointing=True, logits_per_chunk=500)
    assert half == 2 * 10 * 3 * 8 + 2 * 10 * (152 + 24 + 2 * 8) + (4 + 2) * 100 * 8
    masked = pass_bytes(shape, 10, 4, checkpointing=False, masked=5, logits_per_chunk=500)
    assert masked - kept == 4 * 10 * 3 * 5  # an entry for every two tokens of a row, in each layer
    batch = pass_bytes(shape, 10, 4, checkpointing=False, batch_tokens=30, logits_per_chunk=500)
    assert batch - kept == 40 * 30


def test_rows_are_read_with_a_mask_after_their_prompts_alone():
    assert masked_tokens(2_048, checkpointing=False, shares_prompts=True) == 2_048
    assert masked_tokens(2_049, checkpointing=False, shares_prompts=True) == 0
    assert masked_tokens(512, checkpointing=True, shares_prompts=True) == 0
    assert masked_tokens(512, checkpointing=False, shares_prompts=False) == 0


def test_a_chunk_of_logits_takes_as_much_whatever_the_vocabulary():
    assert chunk_size(151_936) == 1024 and chunk_size(32_000) == 4861 and chunk_size(10**9) == 1
    shape = PassShape.of(QWEN)
    sizes = [
        pass_bytes(replace(shape, vocab_size=size), 10**6, 2, checkpointing=True)
        - 6 * size * shape.hidden_size  # the gradient of the head
        for size in (1_000, 32_000, 151_936)
    ]
    assert max(sizes) - min(sizes) < 6 * 151_936  # one token


def test_the_formula_needs_no_torch():
    code = "import sys, edgewise.agents.policies.memory; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel counts the peak on Linux alone")
@pytest.mark.parametrize("checkpointing", [True, False])
def test_the_peak_of_an_update_is_that_of_the_formula(checkpointing):
    pytest.importorskip("torch")
    from edgewise.benchmarks.speed.memory import Point, in_process

    first = Point(16, 512, 4_096, 1, checkpointing, chunk=512, vocab_size=20_000)  # two passes
    peaks = []
    for point in (first, replace(first, batch=32), replace(first, batch=8, length=1_024)):
        peaks.append(in_process("peak", point))
        assert 0.8 * point.bound < peaks[-1] < 1.02 * point.bound
    assert peaks[1] < 1.1 * peaks[0]  # twice as many rows
    assert checkpointing is False or peaks[2] < 1.1 * peaks[0]  # rows twice as long, without a mask
