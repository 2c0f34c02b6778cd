"""Models whose training is known, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Brown et al., arXiv 2005.14165, table 2.1 (GPT-3 13B, with Megatron-LM's hidden size of 5120 in place of
    # 5140); a layer has 12 h^2 parameters (arXiv 2104.04473). Left out: embeddings.
    "gpt-13b": {
        "layers": 40, "hidden": 5120, "kv_hidden": 5120, "sequence": 2048, "layer_params": 12 * 5120**2,
        "tp": 8, "pp": 4, "micro_batches": 8, "sharding": "ddp", "sequence_parallel": True,
    },
    # Grattafiori et al., arXiv 2407.21783, table 3 (Llama 3 70B: 80 layers, 8192, 8 key/value heads of 128,
    # an MLP of 28672). Left out: embeddings.
    "dense-70b": {
        "layers": 80, "hidden": 8192, "kv_hidden": 1024, "sequence": 8192,
        "layer_params": 2 * 8192**2 + 2 * 8192 * 1024 + 3 * 8192 * 28672,
        "tp": 8, "pp": 4, "micro_batches": 8, "sharding": "zero1", "sequence_parallel": True,
    },
    # DeepSeek-AI, arXiv 2412.19437, sections 2.1, 3.2 and 4.2 (61 layers of 7168; 256 experts of 3 x 7168 x
    # 2048, 8 of them for a token, and one for all; pipeline of 16, 64-way experts, ZeRO-1, FP8 dispatch).
    # Here 64 layers, 4 to a stage, all with experts; attention (MLA) has 187 million parameters. DualPipe's
    # overlap of dispatch and computing is left out.
    "moe-deepseek-v3": {
        "layers": 64, "hidden": 7168, "kv_hidden": 576, "sequence": 4096,
        "layer_params": 187_107_328 + 3 * 7168 * 2048, "expert_params": 256 * 3 * 7168 * 2048,
        "active_params": 187_107_328 + 9 * 3 * 7168 * 2048, "experts_per_token": 8,
        "tp": 1, "pp": 16, "ep": 64, "micro_batches": 32, "sharding": "zero1", "bytes_dispatch": 1,
    },
}  # fmt: skip
"""Values of `TrainingSpec` that a name stands for."""
