"""Updates of weights of low precision add up; others are AdamW's."""

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms.optimizer import MasterAdamW  # noqa: E402


def trained(dtype, num_steps, optimizer=None, weight=None):
    """Descend a slope of 1 from 1, where bfloat16 has steps of 1/256."""
    weight = torch.nn.Parameter(torch.ones(3, dtype=dtype)) if weight is None else weight
    optimizer = optimizer or MasterAdamW([{"params": [weight]}], 1e-3)
    for _ in range(num_steps):
        optimizer.zero_grad()
        weight.sum().backward()
        optimizer.step()
    return weight, optimizer


def test_weights_of_full_precision_are_updated_as_by_adamw():
    weight = torch.nn.Parameter(torch.ones(3))
    theirs = torch.optim.AdamW([weight], lr=1e-3, weight_decay=0.0)
    trained(torch.float32, 10, theirs, weight)
    assert torch.equal(weight, trained(torch.float32, 10)[0])


def test_small_updates_of_bfloat16_add_up():
    plain = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    trained(torch.bfloat16, 20, torch.optim.AdamW([plain], lr=1e-3, weight_decay=0.0), plain)
    assert (plain == 1).all()  # every update was rounded away
    weight, _ = trained(torch.bfloat16, 20)
    torch.testing.assert_close(weight.float(), torch.full((3,), 0.98), rtol=0, atol=1 / 256)


def test_gradients_add_up_until_they_are_cleared():
    weight = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    optimizer = MasterAdamW([{"params": [weight]}], 1e-3)
    for _ in range(2):
        weight.sum().backward()
    [group] = optimizer.param_groups
    assert weight.grad is None and group["params"][0].grad.tolist() == [2.0, 2.0, 2.0]
    optimizer.zero_grad()
    assert group["params"][0].grad is None


def test_a_state_continues_exactly():
    expected = trained(torch.bfloat16, 10)[1].state_dict()
    weight, half = trained(torch.bfloat16, 5)
    weight = torch.nn.Parameter(weight.detach().clone())
    again = MasterAdamW([{"params": [weight]}], 1e-3)
    again.load_state_dict(half.state_dict())
    trained(torch.bfloat16, 5, again, weight)
    torch.testing.assert_close(again.state_dict(), expected, rtol=0, atol=0)


def test_one_optimizer_after_the_other_trains_the_same_weights():
    weight, first = trained(torch.bfloat16, 5)
    first.release()
    before = weight.detach().clone()
    _, second = trained(torch.bfloat16, 20, MasterAdamW([{"params": [weight]}], 1e-3), weight)
    assert (weight < before).all() and second.copies[0][1].grad is not None
