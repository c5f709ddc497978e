"""Folders of runs, games and comparisons, as their commands write them, with hostile text."""

import json

HOSTILE = (
    "</script><script>window.hacked = 1</script><!--<script>"
    '<img src="http://example.com/x.png" onerror="window.hacked = 2">{{script}} {{data}} '
    "&lt;b&gt; ' \" \\ \u2028 \ud800 \x00 ${window.hacked = 3} ]]> </style>"
)
ARMS = ["level 1", HOSTILE]


def write(path, config, **files):
    """Make a folder; every further argument is a file, of JSON lines if it is a list."""
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config))
    for name, content in files.items():
        lines = isinstance(content, list)
        text = "".join(json.dumps(row) + "\n" for row in content) if lines else json.dumps(content)
        (path / f"{name}.{'jsonl' if lines else 'json'}").write_text(text)
    return path


def level(number, correct, ood=False):
    score = {"pass_at_1": correct, "low": correct - 0.1, "high": correct + 0.1}
    return {"env": "Countdown-v0", "level": number, "ood": ood, **score}


def metric(step):
    """Of two arms; the reward rises, and accuracy does not."""
    arms = {f"arm/{arm}_{name}": 0.5 for arm in (0, 1) for name in ("probability", "accuracy")}
    return {
        "step": step, "reward": step / 20, "accuracy": 0.5, "effective_prompt_ratio": 0.5,
        "num_tokens": 100.0, "num_extra_tokens": 50, "time/step_seconds": 0.5, **arms,
    }  # fmt: skip


def group(step, arm):
    """A problem with one right completion of two."""
    chosen = {"arm": arm, "arm_probability": 0.5, "kept": True}
    return {"step": step, "correct": [True, False], **chosen}


def sample(step, arm, place, outcome, completion):
    problem = json.dumps({"env": "Countdown-v0", "level": arm + 1, "key": f"{step} {place}"})
    return {
        "step": step, "arm": arm, "place": place, "problem": problem, "prompt": "What is 1 + 1?",
        "completion": completion, "outcome": outcome, "reward": 0.5, "num_tokens": 7,
    }  # fmt: skip


CONFIG = {
    "env": "Countdown-v0", "curriculum": "sec", "algorithm": "grpo", "seed": 3, "agent": "seedling",
    "preset": "seedling", "num_steps": 20, "num_problems": 2, "group_size": 2, "arms": ARMS,
}  # fmt: skip


def run(path, num_steps=12):
    """A training run of which some steps are done."""
    steps = range(1, num_steps + 1)
    return write(
        path,
        CONFIG,
        metrics=[metric(step) for step in steps],
        groups=[group(step, arm) for step in steps for arm in (0, 1)],
        samples=[
            one
            for step in steps
            for one in (
                sample(step, 0, 0, "right", r"\boxed{2}"),
                sample(step, 0, 0, "wrong", r"\boxed{3}"),
                sample(step, 1, 1, "cut", HOSTILE),
            )
        ],
        validation=[
            {
                "step": step,
                "mean": 0.5,
                "mean_ood": 0.2,
                "levels": [level(1, 0.5), level(2, 0.2, True)],
            }
            for step in (5, 10)
        ],
        before={"levels": [level(1, 0.25)]},
    )


def game(path):
    """A game of SOAR of which one outer step is done."""
    row = {"step": 1, "reward": 0.25, "best_reward": 0.5, "accepted_ratio": 1.0, "promoted": 1}
    pairs = [
        {"question": text, "answer": "15", "step": 1, "dataset": place, "reward": 0.25}
        for place, text in enumerate(["9+6", HOSTILE])
    ]
    config = {
        "preset": "seedling", "reward": "grounded", "seed": 0,
        "game": {"env": "Arithmetic-v0", "agent": "seedling:sums", "soar": {"num_steps": 3}},
    }  # fmt: skip
    return write(path, config, metrics=[row], problems=pairs)


def comparison(path):
    """A comparison of simulated learners, whose report has two pictures, of which one is elsewhere."""
    write(path, {"num_arms": 3})
    (path / "report.png").write_bytes(b"\x89PNG\r\n")
    text = (
        "# Two rules\n\n| rule | accuracy |\n| --- | --- |\n| sec | 0.5 |\n\n"
        f"{HOSTILE.encode('utf-8', 'ignore').decode()}\n\n<iframe src=x>\n\n[here](http://example.com)\n\n"
        "![curves](report.png) ![other](http://example.com/a.png) ![up](../secret.png)\n"
    )
    (path / "report.md").write_text(text)
    (path.parent / "secret.png").write_bytes(b"secret")
    return path
