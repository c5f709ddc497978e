"""Keys and values of shared prompts against those of rows that each have their own."""

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.policies.fast_cache import (  # noqa: E402
    Cache,
    SharedCache,
    cached,
    group_owners,
)

PROMPTS, COLUMNS, SIZE, MAX_TOKENS = 3, 7, 4, 5


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def both(groups, rows=6):
    """The states of two layers in both forms, of rows in equal groups."""
    memory = [random(2, PROMPTS, groups, COLUMNS, SIZE), random(2, PROMPTS, groups, COLUMNS, SIZE)]
    attention = torch.ones(PROMPTS, COLUMNS, dtype=torch.int64)
    attention[0, :3] = attention[2, :1] = 0
    places = torch.tensor([2, 0, 1]).repeat_interleave(rows // PROMPTS)
    shared, other = (cached(memory, attention, places, MAX_TOKENS) for _ in range(2))
    assert isinstance(shared, SharedCache)
    return shared, other.joined(), (memory, attention, places)


def step(cache, groups, rows=6, seed=0):
    torch.manual_seed(seed)
    queries, newest = torch.randn(rows, 2 * groups, SIZE), torch.randn(rows, 2 * groups, SIZE)
    found = [cache.attend(layer, queries, newest) for layer in range(2)]
    cache.length += 1
    return found


@pytest.mark.parametrize("groups", [1, 2])
def test_shared_prompts_are_read_as_own_ones(groups):
    shared, own, _ = both(groups)
    for seed in range(MAX_TOKENS):
        found = zip(step(shared, groups, seed=seed), step(own, groups, seed=seed), strict=True)
        for ours, theirs in found:
            torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
def test_the_attention_of_one_row_by_hand(groups):
    shared, _, (memory, attention, places) = both(groups)
    torch.manual_seed(3)
    queries, newest = torch.randn(6, 2 * groups, SIZE), torch.randn(6, 2 * groups, SIZE)
    found = shared.attend(1, queries, newest).view(6, 2 * groups, SIZE)
    row, head = 5, 1  # of the last group, whose prompt is the second
    group = head // 2
    seen = attention[places[row]].bool()
    keys = torch.cat([memory[1][0, places[row], group, seen], newest[row, group, None]])
    values = torch.cat([memory[1][1, places[row], group, seen], newest[row, groups + group, None]])
    wanted = (keys @ queries[row, head]).softmax(dim=0) @ values
    torch.testing.assert_close(found[row, head], wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
def test_rows_that_are_kept_read_on(groups):
    shared, own, _ = both(groups)
    for cache in (shared, own):
        step(cache, groups)
    rows = torch.tensor([0, 5, 2])
    shared, own = shared.keep(rows), own.keep(rows)
    assert isinstance(shared, Cache) and shared.length == own.length == COLUMNS + 1
    for seed in range(1, MAX_TOKENS):
        found = step(shared, groups, 3, seed), step(own, groups, 3, seed)
        for ours, theirs in zip(*found, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


def test_past_states_are_copies_of_all_columns():
    shared, own, _ = both(2)
    for cache in (shared, own):
        step(cache, 2)
    ours, theirs = shared.past(), own.past()
    assert ours.length == theirs.length == COLUMNS + 1
    assert all(map(torch.equal, ours.memory, theirs.memory))
    step(own, 2)
    assert theirs.length == COLUMNS + 1


@pytest.mark.parametrize(
    ("places", "owners"),
    [
        ([1, 1, 0, 0], [1, 0]),
        ([0, 0, 0, 0], [0]),
        ([0, 1, 0, 1], None),
        ([0, 0, 0, 1], None),
        ([0, 0, 1], None),
        ([1, 0], None),  # nothing is shared
    ],
)
def test_prompts_are_shared_by_groups_of_one_size(places, owners):
    found = group_owners(torch.tensor(places), max(places) + 1)
    assert (found if found is None else found.tolist()) == owners
