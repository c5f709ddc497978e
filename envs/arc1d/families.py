"""The families of ARC-1D: rules with their parameters and grids, and which the examples determine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import permutations, product
from typing import NamedTuple

from edgewise.envs.arc1d import grids, rules
from edgewise.envs.arc1d.grids import COLOURS, Grid

Params = tuple[int | str, ...]
Draw = Callable[..., Grid | None]  # of dice, size and the parameters; None if it came out wrong
Examples = tuple[tuple[Grid, Grid], ...]  # pairs of input and output


def dots(examples: Examples) -> Iterable[Params]:
    """Return the colours that one cell of the first input has."""
    grid = examples[0][0]
    return [(colour,) for colour in sorted(set(grid)) if colour != "0" and grid.count(colour) == 1]


def dots_and_steps(examples: Examples) -> Iterable[Params]:
    """Return those colours, each with all numbers of steps."""
    return product([colour for (colour,) in dots(examples)], (1, 2, 3, 4))


def paints(examples: Examples) -> Iterable[Params]:
    """Return the colours of the first output that its input has not."""
    grid, output = examples[0]
    return [(colour,) for colour in sorted(set(output) - set(grid) - {"0"})]


def all_paints(examples: Examples) -> Iterable[Params]:
    """Return the colour of the first output, if it has one only."""
    output = examples[0][1]
    return [(min(set(output) - {"0"}),)] if rules.is_plain(output) else []


def parities(examples: Examples) -> Iterable[Params]:
    """Return what the examples give to odd and to even lengths."""
    found = colours_of_lengths(examples)
    odd = {colour for length, colour in found.items() if length % 2}
    even = {colour for length, colour in found.items() if length % 2 == 0}
    return [(*odd, *even)] if len(odd) == len(even) == 1 else []


def lengths(examples: Examples) -> Iterable[Params]:
    """Return what the examples give to blocks of one, two and three cells, "" where none."""
    found = colours_of_lengths(examples)
    return [tuple(found.get(length, "") for length in (1, 2, 3))] if found else []


def colours_of_lengths(examples: Examples) -> dict[int, str]:
    """Return the colour that the outputs give to the first block of each length."""
    found: dict[int, str] = {}
    for grid, output in examples:
        for start, stop in rules.blocks(grid):
            found.setdefault(stop - start, output[start])
    return found


@dataclass(frozen=True)
class Family:
    """Rules that differ in their parameters only, and how the grids for them are drawn."""

    name: str
    rule: Callable[..., Grid | None]  # of a grid and the parameters; None where it has no meaning
    draws: tuple[Draw, ...]  # alternatives, of which a problem has one
    params: tuple[Params, ...] = ((),)  # that are drawn
    weight: int = 0  # how many of the 70 generators behind SEC's data it stands for
    candidates: Callable[[Examples], Iterable[Params]] | None = None  # if not those that are drawn


class Rule(NamedTuple):
    """A family with its parameters."""

    family: Family
    params: Params

    def __call__(self, grid: Grid) -> Grid | None:
        """Apply the rule to `grid`; None where it does not apply."""
        return self.family.rule(grid, *self.params)

    def __str__(self) -> str:
        """Return the name and the parameters."""
        return " ".join([self.family.name, *map(str, self.params)])


SIDES = (("left",), ("right",))


def to_blocks(draw: Draw) -> tuple[Draw, ...]:
    """Return `draw` with blocks of one colour, and with blocks of many."""
    return partial(draw, grids.solid), partial(draw, grids.motley)


PAIRS_OF_COLOURS = tuple(permutations(COLOURS, 2))
TRIPLES_OF_COLOURS = tuple(permutations(COLOURS, 3))
DOTS = tuple((colour,) for colour in COLOURS[:-1])
EACH_SHIFT = tuple((shift,) for shift in (1, 2, 3, 4, -1, -2, -3, -4))
TO_DOT_2 = tuple(("2", steps) for steps in (1, 2, 3, 4))
FAMILIES = {
    family.name: family
    for family in (
        Family("move", rules.move, to_blocks(grids.to_move), EACH_SHIFT, 16),
        Family("rotate", rules.rotate, to_blocks(grids.to_rotate), EACH_SHIFT, 16),
        Family("gravity", rules.gravity, (grids.scattered,), SIDES, 2),
        Family("step", rules.step, (grids.scattered,), SIDES, 2),
        Family("count", rules.count, (grids.scattered,), SIDES, 2),
        Family("part", rules.part, (grids.scattered_in_two_colours,), (("2", "1"), ("1", "2")), 2),
        Family("sort_cells", rules.sort_cells, (grids.scattered_in_two_colours,), SIDES, 2),
        Family("move_by_length", rules.move_by_length, (grids.to_move_by_length,), weight=1),
        Family("touch", rules.touch, (grids.block_and_dot,), (("1",),), 1, dots),
        Family("approach", rules.approach, (grids.block_and_dot,), TO_DOT_2, 4, dots_and_steps),
        Family("stretch_over", rules.stretch_over, (grids.block_and_dot,), (("2",),), 1, dots),
        Family("stretch", rules.stretch, (grids.block_and_dot,), DOTS, 0, dots),
        Family("mirror", rules.mirror, (grids.to_mirror,), (("2",),), 1, dots),
        Family("reverse", rules.reverse, to_blocks(grids.to_reverse), weight=2),
        Family("fill", rules.fill, (grids.two_dots,), weight=1),
        Family("fill_pairs", rules.fill_pairs, (grids.pairs_of_dots,)),
        Family("hollow", rules.hollow, (grids.one_block,), weight=1),
        Family("denoise", rules.denoise, (grids.noise_outside,), weight=1),
        Family("clean", rules.clean, (grids.noise_inside,), weight=1),
        Family("copy", rules.copy, (grids.dots_in_one_colour,), weight=1),
        Family("copy_in_colours", rules.copy_in_colours, (grids.dots_in_colours,), weight=1),
        Family("repeat", rules.repeat, (grids.to_repeat,), weight=1),
        Family("sort_blocks", rules.sort_blocks, (grids.to_sort, grids.all_lengths), weight=2),
        Family("paint_longest", rules.paint_longest, (grids.to_paint,), (("1",),), 1, paints),
        Family("rank", rules.rank, (grids.two_blocks,), (("1", "2"),), 1),
        Family("recolour", rules.recolour, (grids.scattered,), (("5",),), 1, all_paints),
        Family("palette", rules.palette, (grids.palette_and_blocks,), weight=1),
        Family("halve", rules.halve, (grids.to_halve,), (("8",),), 1, paints),
        Family("echo", rules.echo, (grids.block_and_seeds,), weight=1),
        Family("spill", rules.spill, (grids.block_and_spill,), weight=1),
        Family("flood", rules.flood, (grids.wall_and_dots,), weight=1),
        Family("mark", rules.mark, (grids.to_mark,), weight=1),
        Family(
            "parity", rules.colour_by_parity, (grids.long_blocks,), PAIRS_OF_COLOURS, 0, parities
        ),
        Family(
            "length", rules.colour_by_length, (grids.short_blocks,), TRIPLES_OF_COLOURS, 0, lengths
        ),
    )
}


def fitting(examples: Examples) -> Iterator[Rule]:
    """Yield every rule of every family that makes all outputs of `examples` from their inputs."""
    (grid, output), rest = examples[0], examples[1:]
    for family in FAMILIES.values():
        rule = family.rule
        for params in family.params if family.candidates is None else family.candidates(examples):
            if rule(grid, *params) == output and all(rule(a, *params) == b for a, b in rest):
                yield Rule(family, params)
