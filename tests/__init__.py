"""The tests. None may meet the model hub's account or cache, or the settings, of whoever runs them."""

import os
import tempfile

# The hub's client reads its environment when it is first imported, which is after this.
_home = tempfile.TemporaryDirectory(prefix="hf-home-")
os.environ["HF_HOME"] = _home.name
os.environ["HF_HUB_DISABLE_XET"] = "1"
for _name in ("HF_ENDPOINT", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN", "HF_TOKEN_PATH", "HUGGING_FACE_HUB_TOKEN"):
    os.environ.pop(_name, None)
for _name in [name for name in os.environ if name.startswith("UNLEARN_")]:
    os.environ.pop(_name)

# Two workers share two cores: one thread each, in their own processes too. Torch reads this when it is first imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
