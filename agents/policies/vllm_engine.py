"""vLLM in this process, beside the learner.

Kwon et al. (2023), "Efficient Memory Management for Large Language Model Serving with
PagedAttention", arXiv 2309.06180. Tried with vLLM 0.32 on CPUs; what is for GPUs only, which is sleep
and CUDA graphs, is written after its documentation and has not been run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from edgewise.agents import distributed
from edgewise.agents.policies.engine import Turn
from edgewise.agents.policies.lora import LoRAPolicy
from edgewise.agents.policies.options import Sampling, VLLMSettings
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.policies.untied import HEAD, as_saved, write_config, write_weights
from edgewise.executor import WorkerError

HERE = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}  # the engine is in this process, and so are weights
ENVIRONMENT = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}  # unless they are set
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # of adapters, that vLLM makes room for
MAX_SHOWN = 500  # characters of what vLLM says is wrong


class VLLMEngine:
    """An engine that begins with random weights, or with those below adapters, which it never changes.

    Each rank has one of its own.
    """

    most = 1  # adapters that it has room for at once

    def __init__(self, learner: TransformersPolicy, settings: VLLMSettings) -> None:
        """Start vLLM for a model of the learner's shape, precision and tokenizer.

        On a CPU it has no sleep, and prompts are not cut in pieces, which vLLM does not do there for
        completions with seeds.

        Raises:
            ImportError: If vLLM is not installed.
            ValueError: If the rank of adapters is more than it makes room for.
            WorkerError: If vLLM does not start, as for a model that it does not have.
        """
        on_cpu = learner.model.device.type == "cpu"
        self.vllm = import_vllm()
        with TemporaryDirectory() as folder:
            adapted = isinstance(learner, LoRAPolicy)
            write_config(learner, folder, untie=not adapted)
            kind: dict[str, Any] = {"load_format": "dummy"}
            if isinstance(learner, LoRAPolicy):
                write_weights(as_saved(learner), folder)
                kind = {
                    "use_tqdm_on_load": False,
                    "enable_lora": True,
                    "max_loras": self.most,
                    "max_lora_rank": room_of(learner.rank),
                }
            if distributed.num_ranks() > 1:  # it is one of the processes that there are
                kind["distributed_executor_backend"] = "external_launcher"
            with in_one_line():
                self.llm: Any = self.vllm.LLM(
                    model=folder,
                    dtype=str(learner.dtype).removeprefix("torch."),
                    generation_config="vllm",  # the settings of `Sampling` and no others
                    logprobs_mode="processed_logprobs",  # at the temperature
                    max_model_len=settings.max_length and learner.positions,  # the fewer of both
                    gpu_memory_utilization=settings.gpu_memory_utilization,
                    enforce_eager=settings.eager or on_cpu,
                    enable_chunked_prefill=not on_cpu,
                    enable_sleep_mode=not on_cpu,
                    disable_log_stats=True,
                    **kind,
                )
        if distributed.num_ranks() > 1:  # at exit it would ask for groups that are gone
            distributed.ENDING.append(self.llm.llm_engine.engine_core.shutdown)
        self.has_head = all(self.llm.apply_model(has_head))
        self.sleeps, self.awake = not on_cpu, True
        self.adapters: Any = None  # what names those that it has
        self.numbers = count(
            1
        )  # of adapters; of each vLLM must see new ones, for it keeps what it read

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Load weights in place, and drop the prefix cache of the old ones.

        Raises:
            WorkerError: If vLLM refuses them.
        """
        taken = ((n, w) for n, w in weights.items() if n != HEAD or self.has_head)
        with in_one_line():
            self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": taken})
            self.llm.reset_prefix_cache()

    def adapt(self, write: Callable[[Path], None]) -> None:
        """Take new adapters, and drop the old ones; prefixes are kept by the name of the adapters.

        Raises:
            WorkerError: If vLLM refuses them, as for matrices that it has no adapters for.
        """
        with TemporaryDirectory() as folder:
            write(Path(folder))
            with in_one_line():
                if self.adapters is not None:
                    self.llm.llm_engine.remove_lora(self.adapters.lora_int_id)
                self.adapters = self.named(Path(folder))
                self.llm.llm_engine.add_lora(self.adapters)

    def named(self, folder: Path) -> Any:
        """Return vLLM's name for the adapters in a folder."""
        number = next(self.numbers)
        return import_lora_request()(f"edgewise-{number}", number, str(folder))

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        seeds: Sequence[int],
        ends: Sequence[int],
    ) -> list[Turn]:
        """Sample a turn after each prompt, which the seed decides; a token of `ends` ends it."""
        return self.turns(prompts, sampling, seeds, ends, self.adapters)

    def turns(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        seeds: Sequence[int],
        ends: Sequence[int],
        adapters: Any,
    ) -> list[Turn]:
        """Sample as `sample` does, from named adapters: those of all prompts, or of each.

        Raises:
            WorkerError: If vLLM fails.
        """
        settings = [
            self.vllm.SamplingParams(
                max_tokens=sampling.max_tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                seed=seed,
                logprobs=0,  # of the sampled token alone
                stop=list(sampling.stop),
                stop_token_ids=list(ends),
                detokenize=bool(sampling.stop),
            )
            for seed in seeds
        ]
        inputs = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        try:
            with in_one_line():
                answers = self.llm.generate(inputs, settings, use_tqdm=False, lora_request=adapters)
        except BaseException:  # as an interruption, or to sample fewer at once
            engine = self.llm.llm_engine  # which would go on with these, beside the next ones
            engine.abort_request(list(engine.output_processor.request_states), internal=True)
            raise
        outputs = [answer.outputs[0] for answer in answers]
        return [
            Turn(
                list(output.token_ids),
                [
                    place[token].logprob
                    for place, token in zip(output.logprobs, output.token_ids, strict=True)
                ],
                output.finish_reason == "stop",
            )
            for output in outputs
        ]

    def wake(self) -> None:
        """Take the memory of a GPU again."""
        if self.sleeps and not self.awake:
            torch.cuda.empty_cache()  # what the learner no longer needs
            with in_one_line():
                self.llm.wake_up()
            self.awake = True

    def sleep(self) -> None:
        """Leave the memory of a GPU to the learner; the weights wait in that of the CPU."""
        if self.sleeps and self.awake:
            with in_one_line():
                self.llm.sleep(level=1)
            self.awake = False


@contextmanager
def in_one_line() -> Iterator[None]:
    """Raise what vLLM raises in the block, which is of any kind and length, as a WorkerError.

    Raises:
        WorkerError: If anything was raised but a MemoryError or OSError, which say enough.
    """
    try:
        yield
    except (MemoryError, OSError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:MAX_SHOWN]
        raise WorkerError(f"`engine` vllm failed: {type(error).__name__}: {said}") from error


def has_head(model: nn.Module) -> bool:
    """Return whether a model of vLLM has a head, which some have not whose head is always tied."""
    return hasattr(model, HEAD.removesuffix(".weight"))


def room_of(rank: int) -> int:
    """Return the smallest `max_lora_rank` of vLLM that fits adapters of `rank`.

    >>> room_of(1), room_of(9)
    (1, 16)

    Raises:
        ValueError: If there is none.
    """
    if rank > RANKS[-1]:
        raise ValueError(f"`lora_rank` must be at most {RANKS[-1]} with vLLM, got {rank}")
    return next(room for room in RANKS if room >= rank)


def import_lora_request() -> Any:
    """Return the class of vLLM that names adapters."""
    from vllm.lora.request import LoRARequest

    return LoRARequest


def import_vllm() -> Any:
    """Return vLLM, set up to run in this process.

    Raises:
        ImportError: If it is not installed, with how to install it.
    """
    os.environ |= {**ENVIRONMENT, **os.environ, **HERE}
    try:
        import vllm
    except ModuleNotFoundError as error:
        raise ImportError(
            "the engine vllm needs the extra `vllm`: pip install 'edgewise[vllm]'"
        ) from error
    return vllm


class VLLMAdapters(VLLMEngine):
    """An engine that has a base model, and adapters for it by number, sampled from in one batch.

    Each row of a batch goes through the adapter of its owner (Chen et al., 2023, "Punica: Multi-Tenant
    LoRA Serving", arXiv 2310.18547), so that students of SOAR that are at work together are answered
    together. Adapters are handed over as files of peft.
    """

    def __init__(self, learner: LoRAPolicy, settings: VLLMSettings, most: int) -> None:
        """Start vLLM for at most so many adapters of the shape of the learner's.

        Raises:
            ImportError: If vLLM is not installed.
            ValueError: If the adapters are larger than vLLM takes.
        """
        self.most = most
        self.requests: list[Any] = []  # of vLLM, one for each adapter
        self.folder: TemporaryDirectory[str] | None = None  # of the adapters
        super().__init__(learner, settings)

    def load_each(
        self, learner: TransformersPolicy, weights: Sequence[Mapping[str, Tensor]]
    ) -> None:
        """Load adapters, each as `state_dict` of `learner` has them, in place of those before."""
        assert isinstance(learner, LoRAPolicy)
        self.wake()
        folder = TemporaryDirectory(prefix="edgewise-")
        self.requests = [
            self.request(learner, own, Path(folder.name) / str(place))
            for place, own in enumerate(weights)
        ]
        if self.folder is not None:
            self.folder.cleanup()
        self.folder = folder

    def request(self, learner: LoRAPolicy, weights: Mapping[str, Tensor], path: Path) -> Any:
        """Write an adapter as peft reads it, and return vLLM's name for it."""
        learner.write_adapters(path, weights)
        return self.named(path)

    def sample_each(
        self,
        prompts: Sequence[Sequence[int]],
        owners: Sequence[int],
        sampling: Sampling,
        seeds: Sequence[int],
        ends: Sequence[int],
    ) -> list[Turn]:
        """Sample a turn after each prompt, from the adapter of its owner, an index into those loaded."""
        requests = [self.requests[owner] for owner in owners]
        return self.turns(prompts, sampling, seeds, ends, requests)
