"""What verl needs to train on a CPU: a platform, and in `rollout` what samples; no feature.

Ray's workers import it by VERL_USE_EXTERNAL_MODULES, with this folder's parent on PYTHONPATH.
"""

import os
import types
from contextlib import contextmanager

import torch
from verl.plugin.platform.platform_base import PlatformBase
from verl.plugin.platform.platform_manager import PlatformRegistry

GIB = 1 << 30
ANSWERS = {
    "get_rng_state": torch.get_rng_state,
    "set_rng_state": torch.set_rng_state,
    "mem_get_info": lambda *_, **__: (8 * GIB, 16 * GIB),
    "get_device_name": lambda *_, **__: "cpu",
}


class Device(types.ModuleType):
    """Stands where torch.cuda would: what torch.cpu can do, and 0 for what only a GPU has."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return ANSWERS.get(name) or getattr(torch.cpu, name, lambda *_, **__: 0)


@PlatformRegistry.register(platform="cpu")
class Platform(PlatformBase):
    device_name = property(lambda self: "cpu")
    vendor_name = property(lambda self: "cpu")
    device_module = property(lambda self: DEVICE)

    def is_available(self):
        return True

    def current_device(self):
        return torch.device("cpu")  # verl takes it for a device, not for a number

    def device_count(self):
        return 1

    def set_device(self, device_index):
        pass

    def synchronize(self, device_index=None):
        pass

    def manual_seed(self, seed):
        torch.manual_seed(seed)

    def manual_seed_all(self, seed):
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings):
        pass

    def empty_cache(self):
        pass

    def get_device_capability(self, device_index=0):
        return None, None

    def communication_backend_name(self):
        return "gloo"

    def visible_devices_envvar(self):
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, msg):
        yield

    def profiler_start(self):
        pass

    def profiler_stop(self):
        pass

    def ray_resource_name(self):
        return "GPU"  # verl counts no other; Ray takes it on trust

    def ray_noset_envvars(self):
        return []

    def is_ipc_supported(self):
        return False

    def cudart(self):
        return None


DEVICE = Device("edgewise_cpu")
begin = torch.distributed.init_process_group


def init_process_group(backend=None, *args, **kwargs):
    """Name each device once: verl asks for cpu:gloo twice here, which torch refuses."""
    if isinstance(backend, str) and "," in backend:
        backend = ",".join(dict.fromkeys(backend.split(",")))
    return begin(backend, *args, **kwargs)


torch.distributed.init_process_group = init_process_group
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
