"""What every test process has: one thread for torch, and no progress bars of transformers.

And a model small enough to train in a test, a bandit with a table as policy, and real processes.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two beside another busy process are far slower
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import ast
import faulthandler
import gc
import json
import multiprocessing
import shutil
import sys
import threading
import time
import warnings
from copy import deepcopy
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from types import SimpleNamespace

import gymnasium as gym
import pytest

from edgewise import Preset, ReasoningVectorEnv, Task, own_code, register
from edgewise.envs.countdown.task import Countdown
from edgewise.wrappers import CURRICULA, PROBLEM_CURRICULA, SEC, vector

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "microsoft-edge")


def pytest_configure():
    """Make the parser of a command's flags once: a user's process needs one, this needs a thousand."""
    if find_spec("tyro") is None:
        return
    from tyro import MISSING_NONPROP
    from tyro._parsers import ParserSpecification

    make, made = ParserSpecification.from_callable_or_type, {}

    def once(f, **given):
        is_own = given["parent_classes"] or given["default_instance"] is not MISSING_NONPROP
        if is_own:  # a part of one, or with the values of a recipe
            return make(f, **given)
        return made.get(f) or made.setdefault(f, make(f, **given))

    ParserSpecification.from_callable_or_type = staticmethod(once)


def pytest_collection_finish():
    """Leave what was imported out of garbage collection, which took a tenth of the time of the tests.

    And collect seldom.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish():
    """Collect the garbage of all tests once; pytest and the interpreter would do it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A folder as `hf:PATH` takes it."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from edgewise.agents.policies.transformers import TransformersPolicy
    from edgewise.agents.seedlings.pretrain import build_tokenizer

    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    config = transformers.Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=64,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
    )
    model = transformers.Qwen2ForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    often = tokenizer.convert_tokens_to_ids([r"\boxed{", "}", "1", "<eos>"])
    for _ in range(20):  # so that some completions have a box, and rewards differ
        logprobs = model(torch.randint(len(tokenizer), (8, 48))).logits.log_softmax(-1)
        optimizer.zero_grad()
        (-logprobs[..., often].mean()).backward()
        optimizer.step()
    path = tmp_path_factory.mktemp("models") / "tiny"
    TransformersPolicy(model, tokenizer).save(path)
    defaults = {"num_steps": 6, "num_problems": 4, "group_size": 4, "learning_rate": 1e-3}
    card = {"envs": ["Countdown-v0"], "preset": "seedling", "train": defaults}
    (path / "edgewise.json").write_text(json.dumps(card))
    return path


IMPORTED = [
    "edgewise.cli.train",
    "edgewise.agents.policies.sharded",
    "edgewise.cli.eval",
    "edgewise.envs.countdown.task",
    "matplotlib.backends.backend_agg",
    "torch.utils.tensorboard",
    "transformers.models.qwen2.modeling_qwen2",
]


def fork(_, arguments, kept):
    """Serve in a fork with the files `kept`; the call of `main`, Python's last argument, is not run but read."""
    if process := os.fork():
        return process
    try:
        faulthandler.disable()  # it writes to a file that is closed here
        for first, last in zip([2, *sorted(kept)], [*sorted(kept), 2**16], strict=True):
            os.closerange(first + 1, last)
        sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        call, read = ast.parse(arguments[-1]).body[-1].value, ast.literal_eval
        forkserver.main(*map(read, call.args), **read(call.keywords[0].value))
    finally:
        os._exit(0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Fork the server of `processes` from this process, which imports what they need in any case.

    It is done before the first test, for torch computes no gradients in a fork of a process that did.
    """
    if not any("processes" in item.fixturenames for item in session.items):
        return
    if session.config.option.collectonly or threading.active_count() > 1:
        return
    for name in IMPORTED:
        import_module(name)
    capture = session.config.pluginmanager.getplugin("capturemanager")
    resource_tracker.ensure_running()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multiprocessing.util, "spawnv_passfds", fork)
        capture.resume_global_capture()
        forkserver.ensure_running()
        capture.suspend_global_capture()


@pytest.fixture(scope="session")
def processes():
    """Processes that start with all that a run imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    first = context.Process(target=str)  # waits for the imports
    first.start()
    first.join()
    return context


class Gated(Countdown):
    """Countdown whose first verdict after the file `after` exists waits for the file `go`."""

    after = go = None

    def verify(self, problem, answer):
        if self.after.exists() and not self.go.exists():
            self.go.with_name("held").touch()
            while not self.go.exists():
                time.sleep(0.01)
        return super().verify(problem, answer)


class Command:
    """`edgewise` in a process of its own, in the folder `path`; what it says goes to two files."""

    def __init__(self, context, path, words, output=None, after=None):
        self.out, self.err = path / "out.txt", path / "err.txt"
        self.go, self.held = path / "go", path / "held"
        gate = after and (after, self.go)
        arguments = (words.split(), path, output or self.out, self.err, gate)
        self.process = context.Process(target=run_command, args=arguments)
        self.process.start()

    def until(self, is_so):
        """Wait until `is_so`; the command must not end before."""
        while not is_so():
            assert self.process.is_alive(), self.err.read_text()
            self.process.join(0.02)

    def press(self, number):
        """Send a signal, and wait until it is acknowledged or the command has ended."""
        os.kill(self.process.pid, number)
        while self.process.is_alive() and not self.err.read_text():
            self.process.join(0.02)

    def end(self):
        """Wait for the end, and return the exit code and the lines on the standard error."""
        self.process.join()
        return self.process.exitcode, self.err.read_text().splitlines()


def run_command(words, path, output, errors, gate):
    """Run the command line with its streams in files, and with a gate in Countdown if given."""
    os.chdir(path)
    if gate:
        Gated.after, Gated.go = gate
        del gym.registry["Countdown-v0"]
        register("Countdown-v0", f"{__name__}:Gated")
    for place, name in ((1, output), (2, errors)):
        file = name if isinstance(name, int) else os.open(name, os.O_CREAT | os.O_WRONLY)
        os.dup2(file, place)
    from edgewise.cli import main

    sys.exit(main(words))


@pytest.fixture
def start(processes, tmp_path):
    """A function that starts `edgewise` with words, and returns the `Command`.

    With `after`, its Countdown holds what the command is doing once that path exists.
    """
    begun = []

    def begin(words, path=tmp_path, output=None, after=None):
        begun.append(Command(processes, path, words, output, after))
        return begun[-1]

    yield begin
    for command in begun:
        command.process.kill()
        command.process.join()


OWN = ("mine", "theirs", "faulty", "word_sums")
POINTS = """[edgewise.environments]
Double-v0 = {name}
Missing-v0 = {name}
Broken-v0 = {name}.broken
[edgewise.rules]
hardest = {name}:Hardest
plain = {name}:Plain
[edgewise.agents]
seven = {name}:seven
"""


@pytest.fixture
def forgotten(monkeypatch):
    """A function that forgets all that was imported and registered since; it is called at the end."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = (gym.registry, CURRICULA, PROBLEM_CURRICULA)
    before = [dict(names) for names in known]

    def forget():
        for names, kept in zip(known, before, strict=True):
            names.clear()
            names.update(kept)
        for name in [name for name in sys.modules if name.split(".")[0] in OWN]:
            del sys.modules[name]
        own_code.typed.clear()

    forget()  # a module of that name, of another test
    yield forget
    forget()


@pytest.fixture
def own_folder(forgotten, tmp_path, monkeypatch):
    """The working folder, with the user's module `mine`."""
    shutil.copy(Path(__file__).parent / "examples" / "mine.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def installed_package(forgotten, tmp_path, monkeypatch):
    """A folder on the path, with the same module as the package `theirs` and an installer's metadata."""
    package, info = tmp_path / "site" / "theirs", tmp_path / "site" / "theirs-1.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    shutil.copy(Path(__file__).parent / "examples" / "mine.py", package / "__init__.py")
    (package / "broken.py").write_text("\nimport no_such_thing\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS.format(name="theirs"))
    monkeypatch.syspath_prepend(tmp_path / "site")
    return package


class Echo(Task[int]):
    """The answer is the number in the prompt, modulo 4."""

    presets = {"toy": Preset("{}", {1: {"high": 2}, 2: {"high": 50}})}

    def generate(self, rng, *, high):
        return int(rng.integers(high))

    def prompt(self, problem, template):
        return template.format(problem)

    def verify(self, problem, answer):
        return answer == str(problem % 4)

    def solve(self, problem):
        return str(problem % 4)


def table_policy():
    """The class of the policy, for whoever has torch."""
    import torch

    from edgewise.agents.policies.policy import Completions

    class TablePolicy(torch.nn.Module):
        """A logit for each prompt and answer, a value for each prompt: T = 2, vocabulary 4."""

        def __init__(self):
            super().__init__()
            self.logits = torch.nn.Parameter(torch.zeros(50, 4))
            self.value_head = torch.nn.Embedding.from_pretrained(torch.zeros(50, 1), freeze=False)

        def parameters(self, recurse=True):
            return [self.logits]

        def frozen(self):
            return deepcopy(self)

        def generate(self, prompts, sampling, generator):
            rows = torch.tensor([int(prompt) for prompt in prompts])
            answers = self.logits[rows].softmax(-1).multinomial(1, generator=generator)
            tokens = torch.cat([rows[:, None], answers], dim=1)  # the prompt is one token
            mask = torch.tensor([[0.0, 1.0]]).repeat(len(prompts), 1)
            ended = torch.ones(len(prompts), dtype=torch.bool)
            completions = Completions([], tokens, torch.ones_like(tokens), mask, mask, ended)
            texts = [f"<answer>{answer}</answer>" for answer in answers.flatten().tolist()]
            logprobs = self.logprobs(completions).detach()
            return replace(completions, texts=texts, logprobs=logprobs)

        def logprobs(self, completions):
            rows, answers = completions.tokens.T
            logprobs = self.logits[rows].log_softmax(-1).gather(1, answers[:, None])
            return torch.cat([torch.zeros_like(logprobs), logprobs], dim=1)

        def values(self, completions):
            values = self.value_head(completions.tokens[:, 0])
            return torch.cat([torch.zeros_like(values), values], dim=1)

        def logprobs_and_values(self, completions):
            return self.logprobs(completions), self.values(completions)

    return TablePolicy


@pytest.fixture(scope="session")
def bandit():
    """Environments whose answer is in the prompt, and a policy that must learn it."""
    pytest.importorskip("torch")

    def make(num_envs=128, group_size=8):
        """Return environments under SEC, with group_size completions of each problem."""
        base = ReasoningVectorEnv(num_envs, task=Echo, group_size=group_size)
        envs = vector.Curriculum(base, SEC())
        envs.reset(seed=0)
        envs.lesson.forget()
        return envs

    return SimpleNamespace(Echo=Echo, TablePolicy=table_policy(), make=make)


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window, wherever there is one."""
    api = pytest.importorskip("playwright.sync_api")
    named = [os.environ.get("EDGEWISE_BROWSER"), *map(shutil.which, BROWSERS)]
    with api.sync_playwright() as playwright:
        paths = [path for path in [*named, playwright.chromium.executable_path] if path]
        path = next((path for path in paths if Path(path).is_file()), None)
        if path is None:
            message = (
                "no browser: put chromium on the PATH, name it in EDGEWISE_BROWSER, or run "
                "`.venv/bin/playwright install chromium`"
            )
            if os.environ.get("EDGEWISE_NEEDS_BROWSER"):  # `make test-site`
                pytest.exit(message, returncode=2)
            pytest.skip(message)
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()
