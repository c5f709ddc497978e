"""A vLLM server that samples, in another process or on another machine.

Its OpenAI-compatible completions take and return token ids. New weights go through a folder that
learner and server both see. The server must have been started with VLLM_SERVER_DEV_MODE=1, without
which it takes no weights, and should have `--logprobs-mode processed_logprobs` where the temperature
is not 1. Tried with vLLM 0.32 on CPUs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from secrets import token_hex
from shutil import rmtree
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from weakref import finalize

from torch import Tensor

from edgewise.agents import distributed
from edgewise.agents.policies.engine import Turn
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.untied import write_weights

NUM_REQUESTS = 128  # at once
TIMEOUT = 1_800.0  # seconds, of one request
END_TIMEOUT = 5.0  # seconds, of one at the end, for which nobody waits
MAX_SHOWN = 300  # characters of what a server says is wrong
DEFAULTS = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}  # whatever the model recommends


class VLLMServer:
    """An engine behind `url`; it keeps its memory, so it neither wakes nor sleeps.

    Adapters that it was given are taken from it, and their files removed, when the next ones are
    loaded, when it refuses them and when this process ends, but for a kill. All ranks share it: the first gives it the weights, and each asks for its shard of the completions.
    """

    def __init__(self, url: str, folder: Path, vocabulary: int) -> None:
        """Ask the server for its model.

        Args:
            url: Of the server, such as http://127.0.0.1:8000.
            folder: Where it finds new weights, by the same name.
            vocabulary: How many tokens there are.

        Raises:
            ConnectionError: If there is no such server.
        """
        self.url, self.folder, self.vocabulary = url.rstrip("/"), folder.resolve(), vocabulary
        self.folder.mkdir(parents=True, exist_ok=True)
        self.adapters: list[str] = []  # of this process, that the server has or is given
        finalize(self, drop_adapters, self.url, self.folder, self.adapters)
        models = self.ask("/v1/models")
        try:
            self.model = str(models["data"][0]["id"])
        except (LookupError, TypeError) as error:
            raise self.refused(f"it names no model: {models}") from error

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Write weights to the folder, have the server read them, and forget its prefixes."""
        first = distributed.rank() == 0
        read = {  # on all ranks, since those of a sharded model are gathered
            name: weight.cpu() if first else weight.new_empty(0) for name, weight in weights.items()
        }
        distributed.run_on_rank0(lambda: self.send(read))

    def send(self, weights: Mapping[str, Tensor]) -> None:
        """Do so, from this rank."""
        write_weights(weights, self.folder)
        request = {"method": "reload_weights", "kwargs": {"weights_path": str(self.folder)}}
        self.ask("/collective_rpc", request)
        self.ask("/reset_prefix_cache", {})

    def adapt(self, write: Callable[[Path], None]) -> None:
        """Have the server load adapters from the folder, under a new name, and drop the old ones."""
        self.model = distributed.run_on_rank0(lambda: self.send_adapters(write))

    def send_adapters(self, write: Callable[[Path], None]) -> str:
        """Do so, from this rank, and return the name."""
        name, old = f"edgewise-{token_hex(8)}", list(self.adapters)
        self.adapters.append(name)
        write(self.folder / name)
        content = {"lora_name": name, "lora_path": str(self.folder / name)}
        self.ask("/v1/load_lora_adapter", content)
        for earlier in old:
            self.ask("/v1/unload_lora_adapter", {"lora_name": earlier})
            rmtree(self.folder / earlier)
            self.adapters.remove(earlier)
        return name

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        seeds: Sequence[int],
        ends: Sequence[int],
    ) -> list[Turn]:
        """Sample a turn after each prompt, which the seed decides; a token of `ends` ends it.

        Each is a request of its own, since a request has one seed.
        """
        requests = [
            {
                **DEFAULTS,
                "model": self.model,
                "prompt": list(prompt),
                "max_tokens": sampling.max_tokens,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "seed": seed,
                "logprobs": 0,  # of the sampled token alone
                "return_token_ids": True,
                "stop": list(sampling.stop),
                "stop_token_ids": list(ends),
            }
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        with ThreadPoolExecutor(min(NUM_REQUESTS, len(requests))) as pool:
            answers = list(pool.map(lambda request: self.ask("/v1/completions", request), requests))
        return [self.turn(answer) for answer in answers]

    def turn(self, answer: Any) -> Turn:
        """Return what the server sampled.

        Raises:
            ConnectionError: If it is not what was asked for.
        """
        try:
            choice = answer["choices"][0]
            tokens = [int(token) for token in choice["token_ids"]]
            logprobs = [float(number) for number in choice["logprobs"]["token_logprobs"]]
            ended = choice["finish_reason"] == "stop"
        except (LookupError, TypeError, ValueError) as error:
            raise self.refused("it gives no token ids with log-probabilities") from error
        known = all(0 <= token < self.vocabulary for token in tokens)
        if not tokens or len(tokens) != len(logprobs) or not known:
            raise self.refused("its tokens are not those of the model")
        return Turn(tokens, logprobs, ended)

    def ask(self, path: str, content: Mapping[str, Any] | None = None) -> Any:
        """Return what the server answers, None if that is no JSON; with `content`, by POST.

        Raises:
            ConnectionError: If it does not answer, or refuses.
        """
        body = None if content is None else json.dumps(content).encode()
        request = Request(self.url + path, body, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=TIMEOUT) as response:
                said = response.read()
        except HTTPError as error:
            with error:
                body_text = error.read(MAX_SHOWN).decode(errors="replace")
            raise self.refused(f"{path} says {error.code} {body_text}") from error
        except (OSError, HTTPException) as error:
            raise self.refused(f"{path}: {error}") from error
        try:
            return json.loads(said)
        except ValueError:
            return None

    def refused(self, reason: str) -> ConnectionError:
        """Say what is wrong with the server."""
        return ConnectionError(
            "`engine` must be the URL of a vLLM server, started with VLLM_SERVER_DEV_MODE=1, for adapters "
            "also with VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 and --enable-lora --max-lora-rank RANK, "
            f"got {self.url}: {reason}"
        )

    def wake(self) -> None:
        """Do nothing: the server has its own memory."""

    def sleep(self) -> None:
        """Do nothing: the learner has its own memory."""


def drop_adapters(url: str, folder: Path, names: list[str]) -> None:
    """Have the server forget adapters, if it still answers, and remove their files."""
    while names:
        name = names.pop()
        body = json.dumps({"lora_name": name}).encode()
        request = Request(
            f"{url}/v1/unload_lora_adapter", body, {"Content-Type": "application/json"}
        )
        with suppress(OSError, HTTPException), urlopen(request, timeout=END_TIMEOUT):
            pass
        rmtree(folder / name, ignore_errors=True)
