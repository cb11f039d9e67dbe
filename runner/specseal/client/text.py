"""The server's own template and tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from specseal.client.errors import ServerError
from specseal.client.job import TokenIds
from specseal.client.server import Server
from specseal.client.wire import Message, TextCalls


class ServerText:
    """Renders and encodes through the server; remembers what it has encoded once."""

    def __init__(self, server: Server, calls: TextCalls) -> None:
        self._server = server
        self._calls = calls
        self._encoded: dict[str, TokenIds] = {}
        self.failure: ServerError | None = None
        """Why encoding failed; from then on it fails at once."""

    async def encode(self, text: str) -> TokenIds:
        """Return the ids of a text as it stands, no special token added. Raises: ServerError."""
        if text in self._encoded:
            return self._encoded[text]
        if self.failure is not None:
            # A phase may have thousands of texts: to wait for a hung server at each takes hours.
            raise self.failure
        try:
            self._encoded[text] = await self._ask_for_ids(text, add_special=False)
        except ServerError as failure:
            self.failure = failure
            raise
        return self._encoded[text]

    async def begin_ids(self) -> TokenIds:
        """Return the ids that the tokenizer puts before a sequence (BOS), if any.

        Raises:
            ServerError: there is no answer, or the tokenizer changes more than the beginning.
        """
        probe = "a"
        bare = await self.encode(probe)
        whole = await self._ask_for_ids(probe, add_special=True)
        begin = whole[: len(whole) - len(bare)]
        if begin + bare != whole:
            raise ServerError(f"the tokenizer turns {probe!r} into {whole}, not {bare} after a BOS")
        return begin

    async def render(self, messages: Sequence[Message], template_args: dict[str, Any]) -> str:
        """Return the messages as the chat template writes them, up to where the answer starts.

        Raises:
            ServerError: there is no answer, or the template refuses the messages.
        """
        call = self._calls.render(messages, template_args)
        text = await self._server.ask(call)
        if not isinstance(text, str):
            raise ServerError(f"{call.path}: the answer is not a text")
        return text

    async def properties(self) -> tuple[str, str]:
        """Return the end-of-turn token's text and the chat template. Raises: ServerError."""
        path = self._calls.properties_path
        properties = await self._server.get_json(path)
        end_token = properties.get(self._calls.end_of_turn_key)
        template = properties.get(self._calls.template_key)
        if not (isinstance(end_token, str) and end_token and isinstance(template, str)):
            raise ServerError(f"{path}: names no end-of-turn token or no chat template")
        return end_token, template

    async def _ask_for_ids(self, text: str, *, add_special: bool) -> TokenIds:
        call = self._calls.encode(text, add_special)
        ids = await self._server.ask(call)
        if not isinstance(ids, list) or any(type(item) is not int for item in ids):
            raise ServerError(f"{call.path}: the answer is not a list of token ids")
        return tuple(ids)
