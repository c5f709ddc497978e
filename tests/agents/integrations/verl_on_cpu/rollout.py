"""What samples for verl on a CPU: a model in an actor of Ray, or a script in place of the model.

verl imports it by actor_rollout_ref.model.external_lib. SCRIPTED=1 in the environment makes it answer
as `answer_of` says, whatever the weights are; LOST names seeds of requests that fail.
"""

import json
import os

import ray
import torch
from verl.workers.rollout import base
from verl.workers.rollout.base import BaseRollout
from verl.workers.rollout.replica import RolloutReplica, RolloutReplicaRegistry, TokenOutput

from verl_on_cpu.script import answer_of

NAME = "edgewise_server_{}"


class Server:
    """Samples token by token from its own copy of the model, each request from its own seed."""

    def __init__(self, path, length):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(1)
        self.model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.length, self.step = length, None

    async def generate(self, request_id=None, prompt_ids=None, sampling_params=None, **kwargs):
        asked = dict(sampling_params or {})
        torch.manual_seed(asked.get("seed", 0))
        if asked.get("seed") in json.loads(os.environ.get("LOST", "[]")):
            raise RuntimeError("this answer is lost")
        if os.environ.get("SCRIPTED"):
            ids, logprobs = self.scripted(list(prompt_ids), asked)
        else:
            ids, logprobs = self.sampled(list(prompt_ids), asked)
        return TokenOutput(
            token_ids=ids,
            log_probs=logprobs,
            stop_reason="completed",
            extra_fields={"global_steps": self.step},
        )

    def sampled(self, prompt, asked):
        temperature = float(asked.get("temperature", 1.0))
        how = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        tokens = torch.tensor([prompt])
        with torch.no_grad():
            out = self.model.generate(
                tokens,
                attention_mask=torch.ones_like(tokens),
                max_new_tokens=min(asked.get("max_tokens", self.length), self.length),
                output_logits=True,
                return_dict_in_generate=True,
                pad_token_id=0,
                **(how if temperature > 0 else {"do_sample": False}),
            )
        ids = out.sequences[0, len(prompt) :]
        logits = torch.stack(out.logits, 1)[0] / (temperature or 1.0)
        return ids.tolist(), logits.log_softmax(-1).gather(-1, ids[:, None])[:, 0].tolist()

    def scripted(self, prompt, asked):
        text = answer_of(self.tokenizer.decode(prompt, skip_special_tokens=True), asked["seed"])
        ids = [*self.tokenizer.encode(text, add_special_tokens=False), self.tokenizer.eos_token_id]
        tokens = torch.tensor([prompt + ids])
        with torch.no_grad():
            logits = self.model(tokens).logits[0, len(prompt) - 1 : -1]
        return ids, logits.log_softmax(-1).gather(-1, tokens[0, len(prompt) :, None])[:, 0].tolist()

    async def update_weights(self, named, step=None):
        tensors = {name: torch.tensor(value) for name, value in named.items()}
        found = self.model.load_state_dict(tensors, strict=False)
        assert not found.unexpected_keys and set(found.missing_keys) <= {"lm_head.weight"}, found
        self.step = step

    async def nothing(self, *args, **kwargs):
        return None

    wake_up = sleep = abort_all_requests = resume_generation = clear_kv_cache = nothing
    release_kv_cache = resume_kv_cache = start_profile = stop_profile = nothing


class Replica(RolloutReplica):
    async def launch_servers(self):
        name = NAME.format(self.replica_rank)
        actor = ray.remote(Server).options(name=name, num_cpus=0, max_concurrency=64)
        server = actor.remote(self.model_config.path, self.config.response_length)
        await server.nothing.remote()
        self.servers, self._server_handle = [server], server
        self._server_address = f"local:{self.replica_rank}"


class Adapter(BaseRollout):
    """What a training worker holds: it sends its weights to its server."""

    async def resume(self, tags):
        pass

    async def release(self):
        pass

    async def update_weights(self, weights, wire_format=None, global_steps=None, **kwargs):
        named = {}
        for name, value in weights:
            whole = value.full_tensor() if hasattr(value, "full_tensor") else value
            named[name] = whole.detach().float().cpu().numpy()
        server = ray.get_actor(NAME.format(os.environ.get("RANK", 0)))
        await server.update_weights.remote(named, global_steps)


RolloutReplicaRegistry.register("edgewise", lambda: Replica)
base._ROLLOUT_REGISTRY["edgewise", "async"] = "verl_on_cpu.rollout.Adapter"
