"""Draw the input grids of ARC-1D, each for one family of rules.

The draws are those of the generators behind SEC's data, Ilya Sheprut's for 1D-ARC as ported by
Reasoning Gym, whose grids the tests compare with these; those of 1D-ARC alone are our own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Grid = str  # a digit for each cell, its colour; 0 is the background

COLOURS = "123456789"
NUM_DRAWN = 128  # numbers drawn at a time


class Dice:
    """Small choices, from few calls of a generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw nothing yet."""
        self._rng = rng
        self._numbers: list[float] = []

    def number(self) -> float:
        """Return a number in [0, 1)."""
        if not self._numbers:
            self._numbers = self._rng.random(NUM_DRAWN).tolist()
        return self._numbers.pop()

    def between(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both of them possible."""
        return low + int(self.number() * (high - low + 1))

    def colour(self) -> str:
        """Return a colour."""
        return COLOURS[int(self.number() * 9)]

    def other(self, *colours: str) -> str:
        """Return a colour that is none of `colours`."""
        choices = [colour for colour in COLOURS if colour not in colours]
        return choices[int(self.number() * len(choices))]


Block = Callable[..., str]  # a block of that many cells


def place(size: int, start: int, cells: str) -> Grid:
    """Return a grid of `size` cells, empty but for `cells` at `start`."""
    return ("0" * start + cells).ljust(size, "0")


def solid(dice: Dice, length: int, *but: str) -> str:
    """Return a block of one colour, none of `but`."""
    return dice.other(*but) * length


def motley(dice: Dice, length: int, *but: str) -> str:
    """Return a block whose cells each have any colour but those of `but`."""
    return "".join([dice.other(*but) if but else dice.colour() for _ in range(length)])


def to_move(block: Block, dice: Dice, size: int, shift: int) -> Grid | None:
    """Draw a block with room to move by `shift`."""
    steps = abs(shift)
    if size <= steps + 1:
        return None
    length = dice.between(1, size - steps - 1)
    grid = place(size, dice.between(0, size - length - steps), block(dice, length))
    return grid if shift > 0 else grid[::-1]


def to_rotate(block: Block, dice: Dice, size: int, shift: int) -> Grid:
    """Draw a block that may reach over the border."""
    length = dice.between(1, size)
    cells, start = block(dice, length).ljust(size, "0"), dice.between(0, size - 1)
    return cells[size - start :] + cells[: size - start]


def scattered(dice: Dice, size: int, *params: str) -> Grid:
    """Draw cells of all colours, half of them empty."""
    cells = [int(dice.number() * 18) for _ in range(size)]
    return "".join([COLOURS[cell] if cell < 9 else "0" for cell in cells])


def scattered_in_two_colours(dice: Dice, size: int, *params: str) -> Grid:
    """Draw cells of colours 1 and 2, half of them empty."""
    return "".join(["1200"[int(dice.number() * 4)] for _ in range(size)])


def block_and_dot(dice: Dice, size: int, dot: str, *params: int) -> Grid | None:
    """Draw a block beside a dot, on either side where there is room, in a colour above the dot's."""
    colour = str(dice.between(int(dot) + 1, 9))
    length, spot = dice.between(1, size - 1), dice.between(0, size - 1)
    fits_left, fits_right = spot >= length, spot + length < size
    if not fits_left and not fits_right:
        return None
    if fits_left and (not fits_right or dice.number() < 0.5):
        start = dice.between(0, spot - length)
    else:
        start = dice.between(spot + 1, size - length)
    grid = place(size, start, colour * length)
    return grid[:spot] + dot + grid[spot + 1 :]


def to_mirror(dice: Dice, size: int, dot: str) -> Grid | None:
    """Draw a block and a dot with room for the block on the other side."""
    center, length = dice.between(0, size - 1), dice.between(1, size - 1)
    start = dice.between(0, size - length)
    last = start + length - 1
    if start <= center <= last or 2 * center - last < 0 or 2 * center - start >= size:
        return None
    grid = place(size, start, str(dice.between(int(dot) + 1, 9)) * length)
    return grid[:center] + dot + grid[center + 1 :]


def two_dots(dice: Dice, size: int) -> Grid | None:
    """Draw two cells of one colour."""
    first, second = sorted((dice.between(0, size - 1), dice.between(0, size - 1)))
    if first == second:
        return None
    colour = dice.colour()
    return place(size, first, colour + "0" * (second - first - 1) + colour)


def one_block(dice: Dice, size: int) -> Grid | None:
    """Draw a block by its two ends."""
    ends = two_dots(dice, size)
    if ends is None:
        return None
    cells = ends.strip("0")
    return place(size, ends.index(cells), cells[0] * len(cells))


def pairs_of_dots(dice: Dice, size: int) -> Grid | None:
    """Draw two or three pairs of dots of one colour."""
    places: set[int] = set()
    for _ in range(2 * dice.between(2, 3)):
        places.add(dice.between(0, size - 1))
    colour = dice.colour()
    if len(places) % 2:
        return None
    return "".join([colour if cell in places else "0" for cell in range(size)])


def to_reverse(block: Block, dice: Dice, size: int) -> Grid:
    """Draw a block whose one end has a colour of its own."""
    length, end = dice.between(2, size), dice.colour()
    cells, start = block(dice, length - 1, end), dice.between(0, size - length)
    return place(size, start, end + cells if dice.number() < 0.5 else cells + end)


def noise_outside(dice: Dice, size: int) -> Grid | None:
    """Draw a block, and one to three cells of its colour that touch nothing."""
    length, colour = dice.between(2, size), dice.colour()
    grid = place(size, dice.between(0, size - length), colour * length)
    for _ in range(dice.between(1, 3)):
        around = f"0{grid}0"
        free = [i for i in range(size) if around[i : i + 3] == "000"]
        if not free:
            return None
        spot = free[int(dice.number() * len(free))]
        grid = grid[:spot] + colour + grid[spot + 1 :]
    return grid


def noise_inside(dice: Dice, size: int) -> Grid | None:
    """Draw a block of six cells or more, fewer than half of them in other colours."""
    if size <= 6:
        return None
    length = dice.between(6, size)
    start, colour = dice.between(0, size - length), dice.colour()
    cells = [colour] * length
    for spot in sample(dice, length, dice.between(1, length // 2 - 1)):
        cells[spot] = dice.other(colour)
    return place(size, start, "".join(cells))


def sample(dice: Dice, population: int, count: int) -> list[int]:
    """Return `count` different numbers below `population`, in a random order."""
    places = list(range(population))
    for i in range(count):
        j = dice.between(i, population - 1)
        places[i], places[j] = places[j], places[i]
    return places[:count]


def block_and_dots(dice: Dice, size: int, same_colour: bool) -> Grid | None:
    """Draw a block of 3 or 5 cells at the left end, and dots with room around them."""
    length = 3 if dice.number() < 0.5 else 5
    if length >= size:
        return None
    colour = dice.colour()
    grid = place(size, 0, colour * length)
    spot = length + length // 2 + 1
    while spot <= size - length:
        if dice.number() < 0.5:
            grid = grid[:spot] + (colour if same_colour else dice.colour()) + grid[spot + 1 :]
            spot += length
        spot += 1
    return grid if grid[length:].strip("0") else None


def dots_in_one_colour(dice: Dice, size: int) -> Grid | None:
    """Draw dots of the colour of the block."""
    return block_and_dots(dice, size, same_colour=True)


def dots_in_colours(dice: Dice, size: int) -> Grid | None:
    """Draw dots of any colour."""
    return block_and_dots(dice, size, same_colour=False)


def to_repeat(dice: Dice, size: int) -> Grid | None:
    """Draw a pattern of two to five cells, twice."""
    length = dice.between(2, 5)
    return place(size, 0, motley(dice, length) * 2) if 2 * length < size else None


def to_move_by_length(dice: Dice, size: int) -> Grid:
    """Draw a block with as much room beside it as it is long."""
    length = dice.between(1, size // 2)
    return place(size, dice.between(0, size - 2 * length), dice.colour() * length)


def blocks_apart(dice: Dice, size: int, colour: str, shortest: int, widest: int = 1) -> Grid | None:
    """Draw two blocks or more, of `shortest` to six cells, gaps of up to `widest` after each."""
    cells, count = "", 0
    while len(cells) < size:
        room = size - len(cells)
        if dice.number() < 0.4 and room >= 2:
            length = dice.between(shortest, min(6, room))
            cells += colour * length + "0" * dice.between(1, widest)
            count += 1
        else:
            cells += "0"
    return cells[:size] if count > 1 else None


def to_paint(dice: Dice, size: int, paint: str) -> Grid | None:
    """Draw blocks of one colour, one of them the longest."""
    grid = blocks_apart(dice, size, dice.other(paint), 2)
    if grid is None:
        return None
    lengths = sorted(map(len, grid.split("0")))
    return grid if lengths[-1] > lengths[-2] else None


def to_sort(dice: Dice, size: int) -> Grid | None:
    """Draw blocks of one colour."""
    return blocks_apart(dice, size, dice.colour(), 1, widest=4)


def all_lengths(dice: Dice, size: int) -> Grid | None:
    """Draw a block of each length up to the longest that fits, in any order."""
    longest = 1
    while (longest + 1) * (longest + 4) <= 2 * size:
        longest += 1
    if longest < 2:
        return None
    colour = dice.colour()
    return place(size, 0, "0".join([colour * (i + 1) for i in sample(dice, longest, longest)]))


def two_blocks(dice: Dice, size: int, *params: str) -> Grid | None:
    """Draw two blocks of colour 3 and of two to eight cells, one longer than the other."""
    first, second = dice.between(2, 8), dice.between(2, 8)
    if first == second or first + second + 1 > size:
        return None
    start = dice.between(0, size - first - second - 1)
    gap = dice.between(1, size - second - start - first)
    return place(size, start, "3" * first + "0" * gap + "3" * second)


def palette_and_blocks(dice: Dice, size: int) -> Grid | None:
    """Draw as many colours at the left end as there are blocks of colour 5 behind them."""
    length, starts, spot = dice.between(2, 4), list[int](), 0
    while spot + length <= size:
        taken = dice.number() < 0.4
        if taken:
            starts.append(spot)
        spot += length + 1 if taken else 1
    while starts and starts[-1] + length + len(starts) + 1 >= size:
        starts.pop()
    if not 0 < len(starts) < 10:
        return None
    cells = "".join([COLOURS[i] for i in sample(dice, 9, len(starts))])
    for start in starts:
        cells = cells.ljust(start + len(starts) + 1, "0") + "5" * length
    return place(size, 0, cells)


def to_halve(dice: Dice, size: int, *params: str) -> Grid | None:
    """Draw two blocks or more of two cells up to half the grid, in colour 2."""
    cells, count = "", 0
    while len(cells) < size:
        if dice.number() < 0.4:
            length = dice.between(2, size // 2)
            if len(cells) + length > size:
                break
            cells += "2" * length
            count += 1
        cells += "0"
    return place(size, 0, cells)[:size] if count > 1 else None


def block_and_seeds(dice: Dice, size: int) -> Grid | None:
    """Draw a block of colour 1 and, one cell apart from it, a seed on one side or both."""
    length = dice.between(2, 4)
    if size < length + 4:
        return None
    start, where = dice.between(2, size - length - 2), dice.between(0, 2)
    left = dice.colour() if where < 2 else "0"
    right = dice.colour() if where > 0 else "0"
    return place(size, start - 2, f"{left}0{'1' * length}0{right}")


def block_and_spill(dice: Dice, size: int) -> Grid | None:
    """Draw a block of three cells or more, and a cell of another colour that touches it."""
    if size < 8:
        return None
    length = dice.between(3, size - 5)
    start, colour = dice.between(2, size - length - 2), dice.colour()
    seed = dice.other(colour)
    if dice.number() < 0.5:
        return place(size, start - 1, seed + colour * length)
    return place(size, start, colour * length + seed)


def wall_and_dots(dice: Dice, size: int) -> Grid | None:
    """Draw a cell of colour 5 at one end, and two to four cells of other colours."""
    if size < 5:
        return None
    spots = {spot + 1: dice.other("5") for spot in sample(dice, size - 1, dice.between(2, 4))}
    grid = "5" + "".join([spots.get(spot, "0") for spot in range(1, size)])
    return grid if dice.number() < 0.5 else grid[::-1]


def to_mark(dice: Dice, size: int) -> Grid | None:
    """Draw blocks of one to three cells, two cells apart at least and none in colour 3."""
    if size < 5:
        return None
    lengths, spot = [2], 4  # a length of 0 is one more empty cell
    while spot < size:
        length = dice.between(1, 3) if dice.number() < 0.4 else 0
        if spot + length <= size:
            lengths.append(length)
        spot += length + 2 if length else 1
    order = sample(dice, len(lengths), len(lengths))
    parts = [dice.other("3") * lengths[i] + "00" if lengths[i] else "0" for i in order]
    return place(size, 0, "".join(parts))[:size]


def short_blocks(dice: Dice, size: int, *params: str) -> Grid | None:
    """Draw two blocks or more of one to three cells, in a colour that is none of `params`."""
    cells, count, colour = "", 0, dice.other(*params)
    while len(cells) < size:
        if dice.number() < 0.5:
            cells += colour * dice.between(1, 3)
            count += 1
        cells += "0"
    return cells[:size] if count > 1 else None


def long_blocks(dice: Dice, size: int, *params: str) -> Grid | None:
    """Draw two blocks or more of one to six cells, in a colour that is none of `params`."""
    return blocks_apart(dice, size, dice.other(*params), 1)
