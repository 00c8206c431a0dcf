"""Write the packaged SmolLM2 weights as a Hugging Face folder, which vLLM on a CPU can load.

vLLM does not run GGUF files on a CPU; the weights are turned back into bfloat16.

    python tests/vllm/convert.py FOLDER
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from factory.models.llama.catalogue import get_model


def convert(folder: Path) -> None:
    """Write model and tokenizer to `folder`, whole or not at all."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    weights = Path(get_model("smollm2"))
    source, name = str(weights.parent), weights.name
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    model = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=name, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    model.save_pretrained(unfinished)
    AutoTokenizer.from_pretrained(source, gguf_file=name).save_pretrained(unfinished)
    unfinished.rename(folder)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    if not (target / "config.json").is_file():
        convert(target)
    print(target)
