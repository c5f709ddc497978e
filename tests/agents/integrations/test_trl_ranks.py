"""Two processes train through TRL under one curriculum, with groups that are split between them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
pytest.importorskip("datasets")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of TRL
G, STEPS, EVERY, KILLED = 8, 5, 2, 3


def train(folder, last):
    """Train on 3 groups of 8 in two processes of 12 rows; stop for good after step `last`."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    import gymnasium as gym
    from transformers import TrainerCallback
    from trl import GRPOConfig

    from edgewise.agents import distributed
    from edgewise.agents.integrations.trl import CurriculumGRPOTrainer
    from edgewise.agents.policies.load import load_policy
    from edgewise.wrappers import SEC, vector

    class Kill(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == last:
                os._exit(0)

    args = GRPOConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=12,
        num_generations=G,
        max_completion_length=40,
        learning_rate=2e-4,
        temperature=1.5,  # so that completions of a group differ
        max_steps=STEPS,
        save_steps=EVERY,
        report_to=[],
        disable_tqdm=True,
        seed=1,
    )
    envs = gym.make_vec(
        "Countdown-v0",
        num_envs=args.generation_batch_size,
        group_size=G,
        preset="seedling",
        levels=(2, 3),
    )
    policy = load_policy("seedling")  # which solves some problems, and not others
    envs = vector.PromptFormat(envs, render=policy.render)
    curriculum = vector.Curriculum(envs, SEC(temperature=0.2))
    trainer = CurriculumGRPOTrainer(
        curriculum, policy.model, args, processing_class=policy.tokenizer
    )
    if last < STEPS:
        trainer.add_callback(Kill())
    trainer.train(resume_from_checkpoint=any(Path(folder).glob("checkpoint-*")))
    weights = [weight.double().sum().item() for weight in trainer.model.parameters()]
    state = {"weights": weights, "curriculum": trainer.curriculum.state_dict()}
    (Path(folder) / f"end-{distributed.rank()}.json").write_text(json.dumps(state))
    torch.distributed.destroy_process_group()


def launch(folder, last=STEPS):
    """Run `train` of this file in two processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    subprocess.run([*command, __file__, str(folder), str(last)], check=True, timeout=1200)


def end(folder):
    return [json.loads((folder / f"end-{rank}.json").read_text()) for rank in (0, 1)]


def test_both_have_the_same_rule_and_a_killed_run_continues_exactly(tmp_path):
    launch(tmp_path / "whole")
    first, second = end(tmp_path / "whole")
    assert first == second
    lines = (tmp_path / "whole" / "groups.jsonl").read_text().splitlines()
    assert len(lines) == STEPS * 3
    records = [json.loads(line) for line in lines]
    assert all(len(record["rewards"]) == len(record["num_tokens"]) == G for record in records)
    split = records[1::3]  # the group in the middle is half of one process's, half of the other's
    assert any(len(set(record["rewards"])) > 1 for record in split)
    for record in records:  # |A| is of whole groups, also of the one that is split
        rewards = torch.tensor(record["rewards"])
        expected = ((rewards - rewards.mean()) / (rewards.std() + 1e-4)).abs()
        assert record["abs_advantages"] == pytest.approx(expected.tolist(), abs=1e-5)
    launch(tmp_path / "killed", KILLED)
    launch(tmp_path / "killed")
    assert end(tmp_path / "killed") == [first, second]
    assert (tmp_path / "killed" / "groups.jsonl").read_text().splitlines() == lines


if __name__ == "__main__":
    train(sys.argv[1], int(sys.argv[2]))
