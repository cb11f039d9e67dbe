"""Serve the chat template and the tokenizer of a Hugging Face model folder, and nothing else.

Prompts are encoded once, when a spec is locked, by the library that models are published for. This
program puts it behind the three pages that llama.cpp's server has for the same thing, so that the
load generator asks both alike. Nothing is downloaded, and no code of a model is run.

    GET  /health                                               {}
    GET  /props            {"eos_token", "chat_template"}
    POST /apply-template   {"messages", "chat_template_kwargs"} → {"prompt"}
    POST /tokenize         {"content", "add_special"}           → {"tokens"}

Source: ggml-org/llama.cpp, tools/server/README.md; transformers, `PreTrainedTokenizerBase`.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import transformers
from transformers import AutoTokenizer

Answer = dict[str, Any]


class Pages:
    """What is asked of a tokenizer, by path."""

    def __init__(self, model: str) -> None:
        """Load the tokenizer of a folder."""
        self._tokenizer = AutoTokenizer.from_pretrained(
            model, local_files_only=True, trust_remote_code=False
        )
        if not isinstance(self._tokenizer.chat_template, str):
            sys.exit("the model has no chat template, or several of them")
        self.get: dict[str, Callable[[], Answer]] = {"/health": dict, "/props": self._props}
        self.post: dict[str, Callable[[Answer], Answer]] = {
            "/apply-template": self._apply_template,
            "/tokenize": self._tokenize,
        }

    def _props(self) -> Answer:
        return {
            "eos_token": self._tokenizer.eos_token,
            "chat_template": self._tokenizer.chat_template,
            "transformers": transformers.__version__,
        }

    def _apply_template(self, asked: Answer) -> Answer:
        prompt = self._tokenizer.apply_chat_template(
            asked["messages"],
            tokenize=False,
            add_generation_prompt=True,
            **asked["chat_template_kwargs"],
        )
        return {"prompt": prompt}

    def _tokenize(self, asked: Answer) -> Answer:
        ids = self._tokenizer.encode(asked["content"], add_special_tokens=asked["add_special"])
        return {"tokens": ids}


def handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers requests with the pages."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get.get(self.path)
            self._answer(page and page)

        def do_POST(self) -> None:
            page = pages.post.get(self.path)
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(page and (lambda: page(asked)))

        def _answer(self, make: Callable[[], Answer] | None) -> None:
            try:
                status, answer = (200, make()) if make else (404, {"error": "no such page"})
            except Exception as error:  # noqa: BLE001  (a template may raise anything)
                status, answer = 400, {"error": {"message": f"{type(error).__name__}: {error}"}}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing of single requests."""

    return Handler


def main() -> None:
    """Serve until a signal comes."""
    flags = argparse.ArgumentParser(prog="serve.py", allow_abbrev=False)
    flags.add_argument("--model", required=True)
    flags.add_argument("--host", required=True)
    flags.add_argument("--port", required=True, type=int)
    given = flags.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Process 1 of a container has no default actions.
        signal.signal(number, lambda *_: sys.exit(0))
    print(f"transformers {transformers.__version__}", flush=True)
    server = ThreadingHTTPServer((given.host, given.port), handler(Pages(given.model)))
    print(f"listening on {given.host}:{given.port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
