"""Tokens that are after the same ones are computed once, whoever asks for what follows them."""

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.policies.fast_layout import Block, Layout, spread  # noqa: E402
from edgewise.agents.policies.fast_network import Network  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.policy import Completions  # noqa: E402

PADDING, TOLD = 0, 90  # what is observed is not sampled


def completions(*rows):
    """Completions of a prompt of two tokens, 1 and 2; 0 is padding."""
    tokens = torch.tensor([[1, 2, *row] for row in rows])
    attention = (tokens != PADDING).long()
    mask = attention.float()
    mask[:, :2] = 0
    mask[tokens >= TOLD] = 0
    ended = torch.ones(len(rows), dtype=torch.bool)
    return Completions([""] * len(rows), tokens, attention, mask, 0 * mask, ended)


def layout(*rows, which=None):
    """Their layout, where each prompt of `which` is another, of the same tokens."""
    which = torch.zeros(len(rows), dtype=torch.int64) if which is None else torch.tensor(which)
    prompts = torch.tensor([[1, 2, 1, 1]]).repeat(int(which.max()) + 1, 1)
    return Layout.of(completions(*rows), prompts, which, heads_of_group=1)


def test_completions_that_start_alike_share_their_tokens():
    found = layout([5, 6, 7, 8], [5, 6, 9, 8], [5, 6, 7, 8], [5, 0, 0, 0])
    assert found.tokens.tolist() == [1, 2, 5, 6, 7, 9]  # the last of a row is not read
    assert found.positions.tolist() == [0, 1, 2, 3, 4, 4]
    assert found.asked.tolist() == [1, 2, 3, 4, 5]
    sources = found.asked[found.sampled].tolist()
    assert sources == [1, 2, 3, 4, *[1, 2, 3, 5], *[1, 2, 3, 4], 1]
    assert len(found.after.used) == 3  # of four rows two are the same
    assert [found.tokens[node].item() for node in found.after.nodes[found.after.used]] == [
        *[5, 6, 7],
        *[5, 6, 9],
    ]


def test_rows_of_other_prompts_share_nothing():
    found = layout([5, 6, 7], [5, 6, 7], which=[0, 1])
    assert found.tokens.tolist() == [1, 2, 1, 2, 5, 6, 5, 6]
    assert found.owners.tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert found.asked[found.sampled].tolist() == [1, 4, 5, 3, 6, 7]


def test_a_gap_is_not_a_token_and_tells_rows_apart():
    found = layout([5, 0, 90, 6, 7], [5, 91, 90, 6, 7], [5, 0, 90, 8, 7])
    assert found.tokens.tolist() == [1, 2, 5, 90, 6, 8, 91, 90, 6]
    assert found.positions.tolist() == [0, 1, 2, 3, 4, 4, 3, 4, 5]
    sources = found.tokens[found.asked[found.sampled]].tolist()
    assert sources == [2, 90, 6, 2, 90, 6, 2, 90, 8]
    assert found.asked[found.sampled].tolist()[1] == found.asked[found.sampled].tolist()[7]


def test_of_completions_of_one_token_only_the_prompt_is_read():
    found = layout([5], [6])
    assert found.tokens.tolist() == [1, 2] and found.asked[found.sampled].tolist() == [1, 1]


def test_gradients_of_a_shared_token_are_added():
    used = torch.tensor([[True, True, False], [True, True, True]])
    new = torch.tensor([[True, True, False], [False, False, True]])
    block = Block.of(used, new, start=4)
    states = torch.randn(7, 2, 3, requires_grad=True)
    rows = spread(states, block.nodes)
    assert torch.equal(rows[1, :, 0], states[4]) and torch.equal(rows[1, :, 2], states[6])
    weights = torch.randn(rows.shape) * used[:, None, :, None]
    (wanted,) = torch.autograd.grad((rows * weights).sum(), states)
    torch.testing.assert_close(block.total(weights, start=4), wanted[4:].flatten(1))


def test_sampling_and_scoring_compute_each_prefix_once(build, monkeypatch):
    policy = build()
    computed, hidden = [], Network.hidden

    def counted(self, tokens, *arguments, **options):
        computed.append(len(tokens))
        return hidden(self, tokens, *arguments, **options)

    monkeypatch.setattr(Network, "hidden", counted)
    prompts = [prompt for prompt in ("1 + 1 = ", "?") for _ in range(16)]
    sampling = Sampling(max_tokens=12, temperature=0.5)
    found = policy.generate(prompts, sampling, torch.Generator().manual_seed(0))
    first = int(found.mask.any(dim=0).int().argmax())
    read = int(found.attention[:, :first].unique(dim=0).sum())
    for column in range(first, found.tokens.shape[1] - 1):
        going = found.mask[:, column + 1] > 0
        starts = found.tokens[going, : column + 1].unique(dim=0)
        if column == first:
            assert len(starts) < 0.8 * len(prompts)
            assert computed[1] == len(found.tokens[:, : column + 1].unique(dim=0))
        read += len(starts)
    assert sum(computed) < first * 2 + found.mask.sum() - len(prompts)
    computed.clear()
    policy.logprobs(found)
    assert computed == [read]
