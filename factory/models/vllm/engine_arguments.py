"""Arguments of vLLM's engine: which of them can change a reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NEUTRAL_ARGUMENTS = frozenset(
    {
        "api_server_count",
        "block_size",
        "cpu_offload_gb",
        "disable_log_stats",
        "disable_uvicorn_access_log",
        "distributed_executor_backend",
        "download_dir",
        "enable_chunked_prefill",
        "enable_prefix_caching",
        "enforce_eager",
        "gpu_memory_utilization",
        "kv_cache_memory_bytes",
        "load_format",
        "max_logprobs",
        "max_num_batched_tokens",
        "max_num_seqs",
        "max_parallel_loading_workers",
        "pipeline_parallel_size",
        "swap_space",
        "tensor_parallel_size",
        "uvicorn_log_level",
    }
)
"""What decides how fast replies come and in how much memory, and not what they say (but for rounding)."""


def changing_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that can change what a model replies, which its identity must hold."""
    return {name: value for name, value in arguments.items() if name not in NEUTRAL_ARGUMENTS}


def read_flags(words: Sequence[str]) -> dict[str, list[str]]:
    """The words of a command line by argument: ["--dtype", "half", "--a-b=1"] is {"dtype": ["half"], "a_b": ["1"]}."""
    flags: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            name = name.replace("-", "_")
            flags[name] = [value] if equals else []
        else:
            flags.setdefault(name, []).append(word)
    return flags
