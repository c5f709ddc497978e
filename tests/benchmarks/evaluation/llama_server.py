"""llama.cpp's server out of the wheel of xllamacpp, by the flags of `llama-server` that a test uses."""

import argparse
import signal

import xllamacpp

CACHE = {"f32": xllamacpp.ggml_type.GGML_TYPE_F32}
ATTENTION = {"off": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED}

parser = argparse.ArgumentParser()
for name in ("model", "alias"):
    parser.add_argument(f"--{name}", required=True)
for name in ("port", "parallel", "ctx-size", "threads", "top-k"):
    parser.add_argument(f"--{name}", type=int, required=True)
parser.add_argument("--min-p", type=float, required=True)
parser.add_argument("--cache-type-k", choices=CACHE, required=True)
parser.add_argument("--cache-type-v", choices=CACHE, required=True)
parser.add_argument("--flash-attn", choices=ATTENTION, required=True)
parser.add_argument("--metrics", action="store_true")
flags = parser.parse_args()

params = xllamacpp.CommonParams()
params.model.path, params.model_alias, params.port = flags.model, {flags.alias}, flags.port
params.n_parallel, params.n_ctx = flags.parallel, flags.ctx_size
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = flags.threads
params.sampling.top_k, params.sampling.min_p = flags.top_k, flags.min_p
params.cache_type_k, params.cache_type_v = CACHE[flags.cache_type_k], CACHE[flags.cache_type_v]
params.flash_attn_type = ATTENTION[flags.flash_attn]
params.endpoint_metrics = flags.metrics
server = xllamacpp.Server(params)  # answers as long as it is held
signal.pause()
