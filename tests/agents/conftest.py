"""A model that writes problems, and an engine that is another copy of a model."""

import json
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

WRITES = [r"1+2?1+2=3,\boxed{3}", r"9-4?9-4=5,\boxed{5}", r"2+2+1?2+2=4,4+1=5,\boxed{5}"]


@pytest.fixture(scope="session")
def poser_model(tiny_model, tmp_path_factory):
    """A model that writes one of three problems, and the hard ones beside it."""
    import torch

    from edgewise.agents.policies.transformers import TransformersPolicy
    from edgewise.agents.seedlings.pretrain import summed_loss

    policy = TransformersPolicy.load(tiny_model)
    encode = policy.tokenizer.encode
    start, end = encode("pose:"), [policy.tokenizer.eos_token_id]
    texts = [encode(text, add_special_tokens=False) for text in WRITES]
    rows = [
        ([*start, *text, *end], [False] * len(start) + [True] * (len(text) + 1)) for text in texts
    ]
    optimizer = torch.optim.AdamW(policy.parameters(), lr=5e-3)
    for _ in range(200):
        optimizer.zero_grad()
        summed_loss(policy, rows).div(60).backward()
        optimizer.step()
    path = tmp_path_factory.mktemp("models") / "poser"
    policy.save(path)
    for name in ("train", "test"):
        lines = [json.dumps({"question": f"{i}+{i}+1", "answer": 2 * i + 1}) for i in range(3)]
        (path / f"hard-{name}.jsonl").write_text("\n".join(lines))
    return path


@pytest.fixture(scope="session")
def model_engine():
    """The class of an engine that is another copy of a model, for whoever has torch."""
    import torch

    from edgewise.agents.policies.engine import Turn
    from edgewise.agents.policies.policy import Completions
    from edgewise.agents.policies.transformers import TransformersPolicy

    class ModelEngine:
        def __init__(self, path, keeps_head=False):
            self.path = path
            self.policy, self.keeps_head = TransformersPolicy.load(path), keeps_head
            self.calls = []
            if keeps_head:
                self.policy.fast = False  # which takes the embeddings for a tied head
                head = self.policy.model.lm_head
                head.weight = torch.nn.Parameter(head.weight.detach().clone())

        def load(self, weights):
            self.calls.append("load")
            heads = ("lm_head.weight",) if self.keeps_head else ()
            kept = {name: weight for name, weight in weights.items() if name not in heads}
            found = self.policy.model.load_state_dict(kept, strict=False)
            assert found.missing_keys == list(heads) and not found.unexpected_keys

        def adapt(self, write):
            from peft import PeftModel

            self.calls.append("adapt")
            base = TransformersPolicy.load(self.path)
            with TemporaryDirectory() as folder, warnings.catch_warnings():
                # peft asks transformers by old names
                warnings.simplefilter("ignore", FutureWarning)
                write(Path(folder))
                model = PeftModel.from_pretrained(base.model, folder).merge_and_unload()
            self.policy = TransformersPolicy(model, base.tokenizer)

        def sample(self, prompts, sampling, seeds, ends):
            self.calls.append("sample")
            assert ends == self.policy.ends.tolist()
            return [self.turn(*row, sampling) for row in zip(prompts, seeds, strict=True)]

        def turn(self, prompt, seed, sampling):
            tokens, nothing = torch.tensor([prompt]), torch.zeros(1, len(prompt))
            ended = torch.zeros(1, dtype=torch.bool)
            start = Completions([""], tokens, nothing.long() + 1, nothing, nothing, ended)
            generator = torch.Generator().manual_seed(seed)
            found = self.policy.sample(start, torch.tensor([0]), sampling, generator)
            rows = (found.tokens, found.logprobs)
            sampled = [row[0, len(prompt) :].tolist() for row in rows]
            return Turn(*sampled, bool(found.ended[0]))

        def wake(self):
            self.calls.append("wake")

        def sleep(self):
            self.calls.append("sleep")

    return ModelEngine
