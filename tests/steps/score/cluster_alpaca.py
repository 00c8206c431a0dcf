"""Makes alpaca_clusters.npz: Alpaca's 52,002 rows in 1,000 clusters, as the authors of learning percentage make them.

    python tests/steps/score/cluster_alpaca.py alpaca_en_52k.jsonl.gz all-MiniLM-L6-v2

Their clusters were not published; their code was (clustering.py of dheeraj7596/Small2Large, arXiv 2402.10430):
all-MiniLM-L6-v2 reads 256 tokens of instruction and response, and k-means runs once from seed 42. Twelve minutes on two
cores. Embeddings that differ in the seventh digit give other clusters, as another seed does: over six makings the
overlap of two models' picks moved by 0.011 at 10 % and by 0.034 at 1 %. Needs torch, transformers and scikit-learn.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TOKENS_AT_A_TIME = 2048


def texts_of(file: Path) -> list[str]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    prompts = [f"{row['instruction'].strip()} {row['input'].strip()}".strip() for row in rows]
    return [
        f"Instruction: {prompt} Response: {row['output'].strip()}"
        for prompt, row in zip(prompts, rows, strict=True)
    ]


def embed(texts: list[str], model: str) -> NDArray[np.float32]:
    """Mean of the last states of each text, scaled to length 1; shape (texts, 384)."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(model)(texts, truncation=True, max_length=256)["input_ids"]
    network = AutoModel.from_pretrained(model, dtype=torch.float32).eval()
    order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
    vectors = np.zeros((len(ids), network.config.hidden_size), np.float32)
    while order:
        longest = len(ids[order[0]])
        batch, order = order[: TOKENS_AT_A_TIME // longest], order[TOKENS_AT_A_TIME // longest :]
        padded = torch.tensor([ids[row] + [0] * (longest - len(ids[row])) for row in batch])
        mask = torch.tensor([[1] * len(ids[row]) + [0] * (longest - len(ids[row])) for row in batch])
        with torch.inference_mode():
            states = network(input_ids=padded, attention_mask=mask).last_hidden_state
        means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        vectors[batch] = torch.nn.functional.normalize(means, dim=1).numpy()
    return vectors


def main() -> None:
    from sklearn.cluster import KMeans

    file, model = sys.argv[1:]
    clusters = KMeans(1000, random_state=42, n_init="auto").fit_predict(embed(texts_of(Path(file)), model))
    np.savez_compressed(Path(__file__).parent / "alpaca_clusters.npz", clusters=clusters.astype(np.uint16))


if __name__ == "__main__":
    main()
