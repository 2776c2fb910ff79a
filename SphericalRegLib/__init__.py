"""SphericalReg: 2D/3D registration of a CT to X-rays. Research software, not a medical device."""

import os as _os
import sys as _sys

from SphericalRegLib import former_names as _former_names

__version__ = "0.1.0"

DISCLAIMER = (
    "Research software, not a medical device: neither cleared nor intended for diagnosis, planning or treatment."
)

# OpenMP reads its policy when it is loaded, with torch. By default its threads burn processor time while they wait,
# which makes everything collapse beside other programs: see threads.py. GNU's runtime (Linux) reads the first name,
# Intel's and LLVM's (Windows, macOS) the second as well. A user's own choice is left alone, child processes inherit it.
_POLICIES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_chosen = any(_name in _os.environ for _name in _POLICIES)
if not _chosen:
    _os.environ.update({"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"})

TORCH_WAITS_PASSIVELY = _chosen or "torch" not in _sys.modules
"""Whether torch's threads sleep while they wait; they do not where torch was loaded before this package.

True as well where the user chose how they wait: that choice is theirs.
"""

_former_names.install()
