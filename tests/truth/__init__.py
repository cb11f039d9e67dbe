"""An engine that knows the truth: a streaming server whose every token is decided beforehand.

It speaks vLLM's OpenAI-compatible API and llama.cpp's own, follows a schedule that a seed fixes
(time to first token, step time, accepted tokens a step, chunks merged, faults), and keeps, for
every request, when it really came and when each chunk was really written. What a client records
is held against that. Start it with `python -m truth`, `tests/` being on the path.
"""
