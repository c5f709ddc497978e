"""What every test process has: one thread for torch, and no progress bars of transformers."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two beside another busy process are far slower
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
