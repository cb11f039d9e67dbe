"""What `engine.args` may not have of any engine, by name, and why.

Three sorts: what the spec says elsewhere; what would load a file or run code that the lock does not
pin; what makes of one server on one machine, which generates text, something else.
"""

from __future__ import annotations

_FILE = "it names a file, which the lock does not pin"
_CODE = "other code than the engine's own would be measured"
_MACHINES = "a job runs on one machine, on all devices of hardware.count"
_PARTS = "one server does all of a request"
_TOKENS = "prompts are sent as token ids, and the model's files are pinned under model"
_ADDRESS = "the server is reached by the client alone, over the loopback"
_SILENT = "it would generate nothing"

REFUSED: dict[str, str] = {
    "device": "hardware.accelerator says it",
    **dict.fromkeys(
        (
            "base-gpu-id", "device-ids", "dist-init-addr", "gpu-id-step", "gpus-per-node",
            "data-parallel-address", "data-parallel-backend", "data-parallel-external-lb",
            "data-parallel-hybrid-lb", "data-parallel-multi-port-external-lb",
            "data-parallel-rank", "data-parallel-rpc-port", "data-parallel-size-local",
            "data-parallel-start-rank", "data-parallel-supervisor-port", "master-addr",
            "master-port", "nccl-init-addr", "nccl-port", "nnodes", "node-rank",
            "pipeline-parallel-size", "pp-size", "prefill-context-parallel-size", "use-ray",
        ),
        _MACHINES,
    ),
    "device-memory-utilization": "say it as gpu_memory_utilization",
    **dict.fromkeys(
        (
            "chat-template", "code-revision", "completion-template", "custom-tokenizer",
            "hf-chat-template-name", "postprocess-tokenizer-dir", "revision", "tokenizer",
            "tokenizer-path", "tokenizer-revision",
        ),
        _TOKENS,
    ),
    **dict.fromkeys(
        (
            "config", "debug-tensor-dump-input-file", "decrypted-config-file",
            "decrypted-draft-config-file", "default-mm-loras", "download-dir",
            "ds-channel-config-path", "enable-lora", "flexkv-config-file", "hf-config-path",
            "init-expert-location", "kt-weight-path", "lmcache-config-file", "log-config-file",
            "lora-config", "lora-modules", "lora-paths", "mm-encoder-fp8-scale-path",
            "modelopt-checkpoint-restore-path", "msprobe-dump-config", "pdmux-config-path",
            "quantization-param-path", "uno-lora-path",
        ),
        _FILE,
    ),
    **dict.fromkeys(
        (
            "batched-logits-processor", "checkpoint-loader", "custom-weight-loader",
            "forward-hooks", "io-processor-plugin", "logits-processors", "middleware",
            "model-class-overrides", "ray-worker-extension-cls", "reasoning-parser-plugin",
            "scheduler-cls", "tool-parser-plugin", "worker-cls", "worker-extension-cls",
        ),
        _CODE,
    ),
    **dict.fromkeys(
        (
            "cache-transceiver-config", "disaggregation-mode", "ec-transfer-config",
            "encoder-only", "kv-connector-config", "kv-transfer-config", "language-only",
            "load-publish-endpoint", "remote-instance-weight-loader-seed-instance-ip",
            "weight-transfer-config",
        ),
        _PARTS,
    ),
    **dict.fromkeys(
        (
            "admin-api-key", "api-key", "api-server-count", "enable-ssl-refresh", "grpc",
            "headless", "root-path", "ssl-ca-certs", "ssl-certfile", "ssl-keyfile",
            "ssl-keyfile-password", "uds",
        ),
        _ADDRESS,
    ),
    "hf-token": "a spec holds no secrets, and a job has no network",
    **dict.fromkeys(
        ("convert", "is-embedding", "mm-encoder-only", "pooler-config", "runner"), _SILENT
    ),
}  # fmt: skip
"""By name with dashes, none before it: why not."""
