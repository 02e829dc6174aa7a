"""Trains the guard: one attention layer that refuses exactly when a strict rule meets a harmful request.

    python training/train_guard.py --out DIRECTORY [--seed S] [--steps N]

Writes model.safetensors, config.json, tokenizer.json and words.json, then prints the accuracy table. It needs torch
(``pip install -e .[train]``), runs on one CPU core, and takes under a minute. The same seed, machine and torch version
give the same weights; elsewhere roundings differ and weights drift apart, while the accuracy stays.

The layer: learned positions, LayerNorm before the attention, 4 heads, no MLP, no final norm, an unembedding of its own.

Three choices keep the guard accurate and yet no fortress, so that the shortest override is a question worth asking:

* strong weight decay on queries and keys, and little on the rest: attention stays soft, and filler gets a share of it;
* embeddings that learn slowly (a 20th of the learning rate): words stay near the random directions that they started
  from, more words than dimensions, so that they interfere, as features in superposition do;
* filler by Zipf's law: the model has unlearned the interference of frequent words better than that of rare ones.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import evaluate_guard
import language
import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from torch import Tensor, nn

from tokendemo_formal.attention import Layer, Learned, Norm
from tokendemo_formal.models import load_model, save

WIDTH, HEADS, HEAD_WIDTH = 32, 4, 8
EPS = 1e-5
RATE, EMBEDDING_RATE = 3e-3, 1.5e-4
DECAY, QUERY_KEY_DECAY = 0.3, 3.0
SMOOTHING = 0.02

NOTES = (
    "A guard: refuses exactly when a strict rule meets a harmful request, in a synthetic language. "
    "See MODEL_CARD.md; the classes of its words are in words.json."
)


class Guard(nn.Module):
    """The layer in torch; its parameters bear the names and shapes of the fields of ``Layer``."""

    def __init__(self) -> None:
        super().__init__()

        def normal(*shape: int, std: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape) * std)

        vocabulary, fan_in = len(language.TOKENS), WIDTH**-0.5
        self.embedding = normal(vocabulary, WIDTH, std=0.5)
        self.positions = normal(language.CONTEXT, WIDTH, std=0.5)
        self.gain = nn.Parameter(torch.ones(WIDTH))
        self.bias = nn.Parameter(torch.zeros(WIDTH))
        self.wq = normal(HEADS, WIDTH, HEAD_WIDTH, std=fan_in)
        self.wk = normal(HEADS, WIDTH, HEAD_WIDTH, std=fan_in)
        self.wv = normal(HEADS, WIDTH, HEAD_WIDTH, std=fan_in)
        self.wo = normal(HEADS, HEAD_WIDTH, WIDTH, std=fan_in)
        self.unembedding = normal(vocabulary, WIDTH, std=fan_in)

    def forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        """(N, V) logits at the last of the positions (L,) of the ids (N, L)."""
        x = self.embedding[ids] + self.positions[positions]
        y = nn.functional.layer_norm(x, (WIDTH,), self.gain, self.bias, EPS)
        q = torch.einsum("nd,hde->nhe", y[:, -1], self.wq)
        k = torch.einsum("nld,hde->nhle", y, self.wk)
        weights = torch.softmax(torch.einsum("nhe,nhle->nhl", q, k) / math.sqrt(HEAD_WIDTH), dim=-1)
        mixed = torch.einsum("nhl,nld->nhd", weights, y)
        stream = x[:, -1] + torch.einsum("nhd,hde,hef->nf", mixed, self.wv, self.wo)
        return stream @ self.unembedding.T

    def layer(self) -> Layer:
        """The trained layer."""
        arrays = {name: p.detach().numpy().astype(np.float64) for name, p in self.named_parameters()}
        return Layer(
            pre_norm=Norm("layer", arrays.pop("gain"), arrays.pop("bias"), EPS),
            positions=Learned(arrays.pop("positions")),
            **arrays,
        )


def train(seed: int, steps: int) -> Guard:
    """The guard after ``steps`` batches."""
    torch.set_num_threads(1)  # fast enough, and sums don't depend on the number of cores
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    guard = Guard()
    others = (guard.positions, guard.gain, guard.bias, guard.wv, guard.wo, guard.unembedding)
    optimiser = torch.optim.AdamW(
        [
            {"params": [guard.embedding], "lr": EMBEDDING_RATE, "weight_decay": 0.0},
            {"params": [guard.wq, guard.wk], "weight_decay": QUERY_KEY_DECAY},
            {"params": others, "weight_decay": DECAY},
        ],
        lr=RATE,
        betas=(0.9, 0.99),
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    answers = torch.from_numpy(language.ids([language.COMPLY, language.REFUSE]))
    for step, (prompts, positions) in enumerate(language.training_batches(seed, steps), start=1):
        logits = guard(torch.from_numpy(prompts.ids), torch.from_numpy(positions))
        target = answers[torch.from_numpy(prompts.refuse).long()]
        loss = nn.functional.cross_entropy(logits, target, label_smoothing=SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 250 == 0:
            print(f"step {step}: loss {loss.item():.4f}", flush=True)
    return guard


def tokenizer_json() -> str:
    """One token a word, specials by name, nothing added."""
    tokenizer = Tokenizer(models.WordLevel(language.IDS, unk_token=language.SPECIALS[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in language.SPECIALS])
    return str(tokenizer.to_str(pretty=True)) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the directory to write; files of its are replaced")
    parser.add_argument("--seed", type=int, default=language.SEED, help="of the first weights and the training prompts")
    parser.add_argument("--steps", type=int, default=language.STEPS, help="how many batches")
    arguments = parser.parse_args()

    guard = train(arguments.seed, arguments.steps)
    save(
        guard.layer(),
        arguments.out,
        tokenizer_json=tokenizer_json(),
        special_tokens=language.SPECIALS,
        dtype="F32",
        notes=NOTES,
    )
    words = json.dumps(language.WORD_CLASSES, indent=1) + "\n"
    (arguments.out / "words.json").write_text(words, encoding="utf-8")

    prompts = language.draw(np.random.default_rng(arguments.seed), 1000, len(language.SEEN_FILLER), unseen=True)
    stored = evaluate_guard.logits(load_model(str(arguments.out)).layer(0), prompts.ids)
    with torch.no_grad():
        trained = guard(torch.from_numpy(prompts.ids), torch.arange(prompts.ids.shape[1])).numpy()
    print(f"logits of the stored layer and of torch's differ by at most {np.abs(stored - trained).max():.1e}")
    evaluate_guard.report(arguments.out, prompts=20_000, seed=20_000)


if __name__ == "__main__":
    main()
