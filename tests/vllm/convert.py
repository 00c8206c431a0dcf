"""Write the packaged SmolLM2 weights as a Hugging Face folder, which vLLM on a CPU can load.

vLLM does not run GGUF files on a CPU; the weights are turned back into bfloat16.

    python tests/vllm/convert.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from factory.models.llama.catalogue import get_model
from factory.models.torch.folder import convert

if __name__ == "__main__":
    target = Path(sys.argv[1])
    if not (target / "config.json").is_file():
        convert(Path(get_model("smollm2")), target)
    print(target)
