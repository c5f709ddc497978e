"""Gradients that are written by hand against those of autograd."""

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.policies import fast_functions as functions  # noqa: E402

LEAST = torch.tensor(0.5)


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape)))


def gradients(function, *inputs):
    """Return what a function returns, in a product with random numbers, and the gradients of its inputs."""
    leaves = [part.clone().requires_grad_() for part in inputs]
    found = function(*leaves)
    (found * random(*found.shape)).sum().backward()
    return found.detach(), *(leaf.grad for leaf in leaves)


def normed(states):
    return states / torch.sqrt((states**2).sum(dim=1, keepdim=True) + LEAST**2)


def feed_forward(states, gate_up, down):
    gate, up = (normed(states) @ gate_up).chunk(2, dim=1)
    return states + (torch.nn.functional.silu(gate) * up) @ down


def assert_all_close(found, wanted):
    for part, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(part, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("count", [1, functions.ROWS, 2 * functions.ROWS + 7])
def test_the_feed_forward_network(count):
    inputs = random(count, 16), random(16, 48), random(24, 16)
    found = gradients(lambda *parts: functions.feed_forward(*parts, LEAST), *inputs)
    assert_all_close(found, gradients(feed_forward, *inputs))
    with torch.no_grad():
        torch.testing.assert_close(functions.feed_forward(*inputs, LEAST), found[0])


def test_normed_states():
    states = random(5, 16)
    found = gradients(lambda part: functions.normalize(part, LEAST), states)
    assert_all_close(found, gradients(normed, states))


def test_rotations_by_hand_and_their_gradient():
    states = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
    turned = torch.tensor([[1j, 1j, 1.0]])  # (1 + 2i) i = -2 + i; the last pair stays
    found = functions.rotate(states.clone(), turned)
    assert found.tolist() == [[-2.0, 1.0, -4.0, 3.0, 5.0, 6.0]]
    angles = torch.polar(torch.ones(9, 12), random(9, 12))

    def by_parts(states):
        real, imaginary = states.unflatten(1, (12, 2)).unbind(-1)
        cosine, sine = angles.real, angles.imag
        turned = [real * cosine - imaginary * sine, real * sine + imaginary * cosine]
        return torch.stack(turned, dim=-1).flatten(1)

    states = random(9, 24)
    found = gradients(lambda part: functions.rotate(part * 1.0, angles), states)
    assert_all_close(found, gradients(by_parts, states))


def test_rotations_in_bfloat16_are_rounded_once():
    states, angles = random(9, 24), torch.polar(torch.ones(9, 12), random(9, 12))
    rounded = states.bfloat16()
    with torch.no_grad():
        found = functions.rotate(rounded.clone(), angles)
        wanted = functions.rotate(rounded.float(), angles).bfloat16()
    assert torch.equal(found, wanted)


def test_the_gradient_of_rotations_may_lie_column_by_column():
    states, angles = random(9, 24), torch.polar(torch.ones(9, 12), random(9, 12))
    weights = random(24, 9)
    found = []
    for gradient in (weights.T, weights.T.contiguous()):
        leaf = states.clone().requires_grad_()
        functions.rotate(leaf * 1.0, angles).backward(gradient)
        found.append(leaf.grad)
    assert torch.equal(*found)
