"""Terminal output of a run: a live table, or log lines where there is no terminal."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from edgewise.agents.training.scores import LevelScore

SMOOTHING = 0.9  # of what is shown of the past
BAR = 10  # characters of the probability of an arm
LINE_EVERY = 10  # steps, where there is no terminal
KEY = "s"  # shows the samples of the last step, and hides them
NUM_SAMPLES = 4
PAUSE = 0.2  # seconds between two looks at a terminal that another job has


def announcer(console: Console) -> Callable[[str], None] | None:
    """Return a function that prints above a live display; None without a terminal."""
    if not console.is_terminal:
        return None
    return partial(console.print, soft_wrap=True, highlight=False, markup=False)


class Display:
    """Show the metrics of each step, smoothed, with one row for each arm."""

    def __init__(self, console: Console, arms: Sequence[str], num_steps: int) -> None:
        """Show `num_steps` steps of training on `arms`, by name."""
        self.console = console
        self.names = arms
        self.num_steps = num_steps
        self.smooth: dict[str, float] = {}
        self.validation = ""  # what the last one said
        self.samples: Sequence[Mapping[str, Any]] = ()  # of the last step
        self.shows_samples = False
        self.metrics: Mapping[str, float] = {}  # of the last step
        self.lock = threading.Lock()  # keys are pressed in a thread of their own
        self.live = Live(console=console, transient=False, refresh_per_second=4)

    def __enter__(self) -> Display:
        """Start the live display, if this is a terminal."""
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the live display; the last table stays on the screen."""
        self.live.stop()

    def update(
        self, metrics: Mapping[str, float], samples: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Show one more step, and its samples if they are asked for."""
        for name, value in metrics.items():
            before = self.smooth.get(name, value)
            self.smooth[name] = SMOOTHING * before + (1 - SMOOTHING) * value
        step = int(metrics["step"])
        self.validation = validated(metrics) or self.validation
        if self.console.is_terminal:
            with self.lock:
                self.metrics, self.samples = metrics, samples
                self.refresh()
        elif "validation/mean" in metrics or step % LINE_EVERY == 0 or step in (1, self.num_steps):
            self.console.print(self.line(step), soft_wrap=True, highlight=False)

    def press(self, key: str) -> None:
        """Show the samples of the last step or hide them, by the key "s"."""
        with self.lock:
            if key == KEY and self.metrics:
                self.shows_samples = not self.shows_samples
                self.refresh()

    def refresh(self) -> None:
        """Redraw the table and the lines below it."""
        said = [Text(self.validation)] if self.validation else []
        rows: list[RenderableType] = [
            self.progress(int(self.metrics["step"])),
            *said,
            self.table(self.metrics),
        ]
        if self.shows_samples:
            rows += sample_lines(self.samples, self.names, self.console.width)
        elif self.samples:
            rows.append(Text(f"{KEY}: show samples", style="dim"))
        self.live.update(Group(*rows))

    def seconds_left(self, step: int) -> float:
        """Return the time that the remaining steps will take."""
        return (self.num_steps - step) * self.smooth["time/step_seconds"]

    def progress(self, step: int) -> Table:
        """Return the progress bar with the metrics of the whole batch, in two lines of 80 columns."""
        grid = Table.grid(padding=(0, 2))
        grid.add_row(
            f"step {step}/{self.num_steps}",
            ProgressBar(self.num_steps, step, width=30),
            f"{clock(self.seconds_left(step))} left",
        )
        grid.add_row(
            f"reward {self.smooth['reward']:.3f}",
            f"effective prompts {1 - self.smooth['frac_reward_zero_std']:.2f}",
            f"{self.smooth['time/tokens_per_second']:,.0f} tokens/s",
        )
        return grid

    def table(self, metrics: Mapping[str, float]) -> Table:
        """Return a row for each arm: its probability now, its smoothed reward and accuracy."""
        table = Table("arm", box=None, pad_edge=False)
        table.columns[0].no_wrap = True
        for name in ("probability", "problems", "reward", "accuracy", "effective"):
            table.add_column(
                name, no_wrap=True, justify="left" if name == "probability" else "right"
            )
        for arm, name in enumerate(self.names):
            probability = metrics.get(f"arm/{arm}_probability", 0.0)
            shown = [
                self.smooth.get(f"arm/{arm}_{column}")
                for column in ("reward", "accuracy", "effective_prompt_ratio")
            ]
            table.add_row(
                name,
                Text(f"{probability:.3f} ") + Text("█" * round(BAR * probability), style="cyan"),
                str(int(metrics.get(f"arm/{arm}_count", 0))),
                *("" if value is None else f"{value:.3f}" for value in shown),
            )
        return table

    def line(self, step: int) -> str:
        """Return the metrics as one log line."""
        probabilities = [
            self.smooth.get(f"arm/{arm}_probability") for arm in range(len(self.names))
        ]
        accuracies = [self.smooth.get(f"arm/{arm}_accuracy") for arm in range(len(self.names))]
        return (
            f"step {step}/{self.num_steps}  reward {self.smooth['reward']:.3f}"
            f"  accuracy {row(accuracies)}  probability {row(probabilities)}"
            f"  effective {1 - self.smooth['frac_reward_zero_std']:.2f}"
            f"  {self.smooth['time/tokens_per_second']:,.0f} tokens/s"
            f"  {clock(self.seconds_left(step))} left"
            f"{'  ' * bool(self.validation)}{self.validation}"
        )


def sample_lines(
    samples: Sequence[Mapping[str, Any]], names: Sequence[str], width: int
) -> list[Text]:
    """Return a few samples, each the end of its prompt and of its completion, cut to fit the table."""
    lines = [Text(f"{KEY}: hide samples", style="dim")]
    for sample in samples[:NUM_SAMPLES]:
        arm = sample["arm"]  # None of a rule over problems
        head = f"{sample['outcome']}, level {sample['level']}: "
        if arm is not None:
            head = f"{sample['outcome']}, {names[arm]}: "
        style = "green" if sample["outcome"] == "right" else "yellow"
        lines.append(Text(head + ending(sample["prompt"], width - len(head)), overflow="crop"))
        said = "  " + ending(sample["completion"], width - 2)
        lines.append(Text(said, style=style, overflow="crop"))
    for line in lines:
        line.no_wrap = True
    return lines


def ending(text: str, width: int) -> str:
    r"""Return the end of a text on one line of `width` characters; what is no letter or sign is a space.

    >>> ending("one\n\x1b[2Jtwo", 6), ending("seven", 3)
    ('…2Jtwo', '…en')
    """
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    width = max(width, 2)
    return line if len(line) <= width else "…" + line[1 - width :]


def validated(metrics: Mapping[str, float]) -> str:
    """Return the validation score among `metrics` beside the best one, "" if there is none."""
    if "validation/mean" not in metrics:
        return ""
    best, step = metrics["validation/best"], int(metrics["validation/best_step"])
    return f"validation {metrics['validation/mean']:.3f}, best {best:.3f} at step {step}"


def row(values: Sequence[float | None]) -> str:
    """Format values to two decimals, with a dash for None."""
    return "/".join("-" if value is None else f"{value:.2f}" for value in values)


def clock(seconds: float) -> str:
    """Format seconds as minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def score_line(score: LevelScore) -> str:
    """Format the score of a level as one line."""
    kind = ", out of distribution" if score.ood else ""
    lost = f"  unverified {score.unverified}" if score.unverified else ""
    deep = f"  pass@{score.k} {score.pass_at_k:.3f}" if score.k > 1 else ""
    return (
        f"{score.env} {score.level}{kind}: pass@1 {score.pass_at_1:.3f} "
        f"[{score.low:.3f}, {score.high:.3f}]{deep}  "
        f"format {score.format_rate:.3f}  truncated {score.truncated:.3f}  "
        f"{score.mean_length:.0f} tokens{lost}"
        + (f"  left out, too long: {score.num_too_long}" if score.num_too_long else "")
    )


def score_table(before: Mapping[str, Any], after: Mapping[str, Any]) -> Table:
    """Return a table of each level's score before and after training, and the gain."""
    k = before["levels"][0]["k"]
    deep = [f"pass@{k} before", "after"] if k > 1 else []
    table = Table("test problems", "pass@1 before", "after", "gain", *deep)
    if before["mean_ood"] is not None:
        table.caption = "OOD: out of distribution, levels kept out of training"
    for one, two in zip(before["levels"], after["levels"], strict=True):
        table.add_row(
            f"{one['env']} {one['level']}{' OOD' if one['ood'] else ''}",
            *compared(one["pass_at_1"], two["pass_at_1"]),
            *compared(one["pass_at_k"], two["pass_at_k"])[: len(deep)],
        )
    for name, label in (("mean", "mean, training"), ("mean_ood", "mean, OOD")):
        if before[name] is not None:
            table.add_row(label, *compared(before[name], after[name]), *[""] * len(deep))
    return table


def compared(before: float, after: float) -> tuple[str, str, str]:
    """Format two fractions and their difference."""
    return f"{before:.3f}", f"{after:.3f}", f"{after - before:+.3f}"


Press = Callable[[str], None]


@contextmanager
def pressed(press: Press) -> Iterator[None]:
    """Call `press` with every key that is pressed while the block runs, in a thread of its own.

    The terminal then neither waits for the end of a line nor shows the keys; it is as before however the
    block ends, but by a kill. Ctrl-C stays what it is. Where the standard input is no terminal, where
    another job has it, and on systems without such terminals, nothing happens. In the background no key
    is read, since the system would stop the process.
    """
    try:
        import termios
        import tty

        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal) if has_terminal(terminal) else None
    except (ImportError, OSError, ValueError, AttributeError):  # closed, or none at all
        before = None
    except termios.error:
        before = None
    if before is None:
        yield
        return
    reader, writer = os.pipe()
    thread = threading.Thread(target=listen, args=[terminal, reader, press], daemon=True)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        thread.start()
        yield
    finally:
        os.close(writer)
        if thread.is_alive():
            thread.join()
        os.close(reader)
        # in the background the system would stop the process that sets a terminal
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        try:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        except termios.error:  # it was hung up
            pass
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)


def has_terminal(terminal: int) -> bool:
    """Return whether a file is a terminal whose keys go to this job."""
    return os.isatty(terminal) and os.tcgetpgrp(terminal) == os.getpgrp()


def listen(terminal: int, end: int, press: Press) -> None:
    """Call `press` with each key until the other end of the pipe `end` is closed."""
    while True:
        try:
            if not has_terminal(terminal):
                if select.select([end], [], [], PAUSE)[0]:
                    return
                continue
            ready = select.select([terminal, end], [], [])[0]
            if end in ready:
                return
            if not has_terminal(terminal):
                continue
            key = os.read(terminal, 1)
        except OSError:  # the terminal was hung up
            return
        if not key:
            return
        press(key.decode("ascii", "replace"))
