"""The rules of ARC-1D: what becomes of a grid, None where a rule has no meaning.

Families of Xu et al. (2023), "LLMs and the Abstraction and Reasoning Corpus", arXiv 2305.18354,
and of the data of Chen et al. (2025), arXiv 2505.14970.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from edgewise.envs.arc1d.grids import Grid, place

BLOCK = re.compile("[1-9]+")


@lru_cache(maxsize=1024)
def blocks(grid: Grid) -> tuple[tuple[int, int], ...]:
    """Return where each run of cells that are not empty begins and ends."""
    return tuple([match.span() for match in BLOCK.finditer(grid)])


def is_plain(grid: Grid) -> bool:
    """Return whether all cells that are not empty have one colour."""
    return len(set(grid) - {"0"}) == 1


def side(cells: str, size: int, where: str) -> Grid:
    """Return `cells` at the left or right end of an empty grid."""
    return cells.ljust(size, "0") if where == "left" else cells.rjust(size, "0")


def recoloured(grid: Grid, colour_of: Callable[[int], str | None]) -> Grid | None:
    """Return `grid` with each block in the colour of its length; None if there is no such."""
    if not is_plain(grid):
        return None
    cells, done = "", 0
    for start, stop in blocks(grid):
        colour = colour_of(stop - start)
        if colour is None:
            return None
        cells += grid[done:start] + colour * (stop - start)
        done = stop
    return cells + grid[done:]


def move(grid: Grid, shift: int) -> Grid | None:
    """Move all cells by `shift`, to the right if it is positive; none may leave the grid."""
    gone, rest = (grid[-shift:], grid[:-shift]) if shift > 0 else (grid[:-shift], grid[-shift:])
    if gone.strip("0"):
        return None
    return gone + rest if shift > 0 else rest + gone


def rotate(grid: Grid, shift: int) -> Grid:
    """Move all cells by `shift`; what leaves at one end comes in at the other."""
    return grid[-shift:] + grid[:-shift]


def move_by_length(grid: Grid) -> Grid | None:
    """Move the block to the right by its own length."""
    spans = blocks(grid)
    if len(spans) != 1:
        return None
    return move(grid, spans[0][1] - spans[0][0])


def gravity(grid: Grid, where: str) -> Grid:
    """Let all cells fall to one side."""
    return side(grid.replace("0", ""), len(grid), where)


def step(grid: Grid, where: str) -> Grid:
    """Let each cell fall by one where there is room."""
    if where == "left":
        return re.sub("0([1-9]+)", r"\g<1>0", grid)
    return re.sub("([1-9]+)0", r"0\1", grid)


def count(grid: Grid, where: str) -> Grid:
    """Put as many cells of colour 1 at one side as there are cells."""
    return side("1" * (len(grid) - grid.count("0")), len(grid), where)


def part(grid: Grid, left: str, right: str) -> Grid | None:
    """Let one colour fall to the left and the other to the right."""
    to_left, to_right = left * grid.count(left), right * grid.count(right)
    empty = grid.count("0")
    if len(to_left) + len(to_right) + empty != len(grid):
        return None
    return to_left + "0" * empty + to_right


def sort_cells(grid: Grid, where: str) -> Grid:
    """Let all cells fall to one side, those of higher colour below."""
    return "".join(sorted(grid, reverse=where == "left"))


def block_beside(grid: Grid, dot: str) -> tuple[int, int, int] | None:
    """Return where the dot is, and where the one block beside it begins and ends."""
    if grid.count(dot) != 1:
        return None
    spot = grid.index(dot)
    cells = grid.replace(dot, "0").strip("0")
    if not cells or "0" in cells:
        return None
    start = grid.index(cells)
    return spot, start, start + len(cells)


def approach(grid: Grid, dot: str, steps: int) -> Grid | None:
    """Move the block towards the dot by `steps`, or less if it touches the dot before."""
    found = block_beside(grid, dot)
    if found is None:
        return None
    spot, start, stop = found
    if spot < start:
        gap = grid[spot + 1 : start]
        moved = gap[: len(gap) - steps] if len(gap) > steps else ""
        return grid[: spot + 1] + moved + grid[start:stop] + gap[len(moved) :] + grid[stop:]
    gap = grid[stop:spot]
    moved = gap[: len(gap) - steps] if len(gap) > steps else ""
    return grid[:start] + gap[len(moved) :] + grid[start:stop] + moved + grid[spot:]


def touch(grid: Grid, dot: str) -> Grid | None:
    """Move the block until it touches the dot."""
    return approach(grid, dot, len(grid))


def stretch(grid: Grid, dot: str) -> Grid | None:
    """Stretch the block until it touches the dot."""
    found = block_beside(grid, dot)
    if found is None:
        return None
    spot, start, stop = found
    if spot < start:
        return grid[: spot + 1] + grid[start] * (start - spot - 1) + grid[start:]
    return grid[:stop] + grid[start] * (spot - stop) + grid[spot:]


def stretch_over(grid: Grid, dot: str) -> Grid | None:
    """Stretch the block until it covers the dot."""
    found = block_beside(grid, dot)
    stretched = stretch(grid, dot)
    return None if found is None or stretched is None else stretched.replace(dot, grid[found[1]])


def mirror(grid: Grid, dot: str) -> Grid | None:
    """Mirror the block at the dot."""
    found = block_beside(grid, dot)
    if found is None:
        return None
    spot, start, stop = found
    image = 2 * spot - stop + 1
    if image < 0 or 2 * spot - start >= len(grid):
        return None
    mirrored = place(len(grid), image, grid[start:stop][::-1])
    return mirrored[:spot] + dot + mirrored[spot + 1 :]


def reverse(grid: Grid) -> Grid | None:
    """Reverse the block in its place."""
    spans = blocks(grid)
    if len(spans) != 1:
        return None
    start, stop = spans[0]
    return grid[:start] + grid[start:stop][::-1] + grid[stop:]


def fill(grid: Grid) -> Grid | None:
    """Fill the space between two dots of one colour."""
    cells = grid.strip("0")
    if len(grid) - grid.count("0") != 2 or cells[0] != cells[-1]:
        return None
    return grid.replace(cells, cells[0] * len(cells))


def fill_pairs(grid: Grid) -> Grid | None:
    """Fill the space between the first and second dot, the third and fourth, and so on."""
    spots = [i for i, colour in enumerate(grid) if colour != "0"]
    if len(spots) % 2 or not is_plain(grid):
        return None
    filled = list(grid)
    for start, stop in zip(spots[::2], spots[1::2], strict=True):
        filled[start:stop] = grid[start] * (stop - start)
    return "".join(filled)


def hollow(grid: Grid) -> Grid | None:
    """Empty the block but for its ends."""
    cells = grid.strip("0")
    if len(cells) < 2 or cells != cells[0] * len(cells):
        return None
    return grid.replace(cells, cells[0] + "0" * (len(cells) - 2) + cells[0])


def denoise(grid: Grid) -> Grid | None:
    """Remove the cells that stand alone beside a block."""
    spans = blocks(grid)
    longer = [(start, stop) for start, stop in spans if stop - start > 1]
    if len(longer) != 1 or not is_plain(grid):
        return None
    start, stop = longer[0]
    return place(len(grid), start, grid[start:stop])


def clean(grid: Grid) -> Grid | None:
    """Give the whole block the colour of most of its cells."""
    spans = blocks(grid)
    if len(spans) != 1:
        return None
    cells = grid.strip("0")
    colour = max(sorted(set(cells)), key=cells.count)
    return (
        None if 2 * cells.count(colour) <= len(cells) else grid.replace(cells, colour * len(cells))
    )


def copy(grid: Grid) -> Grid | None:
    """Copy the block to dots of its colour, each of which becomes the center of a copy."""
    return copy_in_colours(grid) if is_plain(grid) else None


def copy_in_colours(grid: Grid) -> Grid | None:
    """Copy the block to dots, in the colour of each."""
    spans = blocks(grid)
    length = spans[0][1] - spans[0][0] if spans else 0
    if len(spans) < 2 or length < 3 or length % 2 == 0:
        return None
    cells, half = list(grid), length // 2
    for start, stop in spans[1:]:
        if stop - start != 1 or start + half >= len(grid):
            return None
        cells[start - half : start + half + 1] = grid[start] * length
    return "".join(cells)


def repeat(grid: Grid) -> Grid | None:
    """Go on with a pattern that is there twice."""
    cells = grid.rstrip("0")
    half = len(cells) // 2
    if not cells or "0" in cells or cells[:half] != cells[half:]:
        return None
    return (cells * len(grid))[: len(grid)]


def sort_blocks(grid: Grid) -> Grid | None:
    """Sort the blocks by length, one cell apart, from the left end."""
    if not is_plain(grid):
        return None
    cells = "0".join(sorted([grid[start:stop] for start, stop in blocks(grid)], key=len))
    return cells.ljust(len(grid), "0")


def paint_longest(grid: Grid, paint: str) -> Grid | None:
    """Give the longest block, or all of that length, another colour."""
    spans = blocks(grid)
    if len(spans) < 2:
        return None
    longest, colour = max([stop - start for start, stop in spans]), grid[spans[0][0]]
    return recoloured(grid, lambda length: paint if length == longest else colour)


def rank(grid: Grid, long: str, short: str) -> Grid | None:
    """Give the longer of two blocks one colour, and the shorter another."""
    lengths = [stop - start for start, stop in blocks(grid)]
    if len(lengths) != 2 or lengths[0] == lengths[1]:
        return None
    return recoloured(grid, lambda length: long if length == max(lengths) else short)


def recolour(grid: Grid, colour: str) -> Grid:
    """Give all cells one colour."""
    return re.sub("[1-9]", colour, grid)


def palette(grid: Grid) -> Grid | None:
    """Give the blocks of colour 5 the colours at the left end, in that order."""
    spans = blocks(grid)
    if grid[0] == "0" or len(spans) < 2 or spans[0][1] != len(spans) - 1:
        return None
    cells = list(grid)
    for colour, (start, stop) in zip(grid, spans[1:], strict=False):
        if grid[start:stop] != "5" * (stop - start):
            return None
        cells[start:stop] = colour * (stop - start)
    return "".join(cells)


def halve(grid: Grid, paint: str) -> Grid | None:
    """Give the left half of each block, rounded down, another colour."""
    if not is_plain(grid):
        return None
    cells = list(grid)
    for start, stop in blocks(grid):
        cells[start : (start + stop) // 2] = paint * ((stop - start) // 2)
    return "".join(cells)


def echo(grid: Grid) -> Grid | None:
    """Repeat the block from each seed on, away from the block, in the colour of the seed."""
    spans = blocks(grid)
    longer = [(start, stop) for start, stop in spans if stop - start > 1]
    if len(longer) != 1 or not 1 < len(spans) < 4:
        return None
    start, stop = longer[0]
    near = max(start - 1, 0)
    left, right, length, size = grid[:near], grid[stop + 1 :], stop - start, len(grid)
    if left.strip("0"):
        if left[:-1].strip("0"):
            return None
        left = ((left[-1] * length + "0") * size)[: len(left)][::-1]
    if right.strip("0"):
        if right[1:].strip("0"):
            return None
        right = ((right[0] * length + "0") * size)[: len(right)]
    return left + grid[near : stop + 1] + right


def spill(grid: Grid) -> Grid | None:
    """Spread the cell that touches the block to the end of the grid."""
    cells = grid.strip("0")
    if len(cells) < 3:
        return None
    start = grid.index(cells)
    if cells[0] != cells[1] and cells[1:] == cells[1] * (len(cells) - 1):
        return cells[0] * start + grid[start:]
    if cells[-1] != cells[-2] and cells[:-1] == cells[0] * (len(cells) - 1):
        return grid[: start + len(cells)] + cells[-1] * (len(grid) - start - len(cells))
    return None


def flood(grid: Grid) -> Grid | None:
    """Spread each cell towards the wall, the colour 5 at one end, until it meets another cell."""
    if (grid[0] == "5") == (grid[-1] == "5"):
        return None
    if grid[0] == "5":
        return re.sub("0+([1-9])", lambda found: found[1] * len(found[0]), grid)
    return re.sub("([1-9])0+", lambda found: found[1] * len(found[0]), grid)


def mark(grid: Grid) -> Grid | None:
    """Put a cell of colour 3 at both ends of each block of two cells."""
    cells = list(grid)
    for start, stop in blocks(grid):
        if stop - start == 2:
            if start > 0:
                cells[start - 1] = "3"
            if stop < len(grid):
                cells[stop] = "3"
    return "".join(cells)


def colour_by_parity(grid: Grid, odd: str, even: str) -> Grid | None:
    """Give blocks of odd length one colour, and those of even length another."""
    return recoloured(grid, lambda length: odd if length % 2 else even)


def colour_by_length(grid: Grid, one: str, two: str, three: str) -> Grid | None:
    """Give blocks of one, two and three cells a colour each."""
    return recoloured(grid, lambda length: {1: one, 2: two, 3: three}.get(length) or None)
