"""Captions from German to English: a translator against plain torch, on Multi30k.

``PYTHONPATH=FOLDER_OF_SACREBLEU python -m tests.benchmarks.translation Multi30k.zip``
learns from 29 000 pairs and prints BLEU (sacreBLEU, of tokenized lower-case text: not
comparable with cased scores), chrF and CPU seconds of a fit on one thread. Both
networks have the same sizes, epochs and learning rates. The zip holds
``train.lc.norm.tok.de`` and so on. The data set is for research and education and not
part of this package.

``... translation Multi30k.zip ours`` leaves out the other network, and without a file
the command prints how many texts are copied and reversed exactly.
"""

import sys
import time
import zipfile

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from sklearn_gru._estimators.text_scores import chrf
from sklearn_gru.text import GRUTranslator
from tests.benchmarks.machine import describe, use_one_thread

EPOCHS, BATCH, UNITS, WIDTH = 4, 64, 256, 128
RATE, DROPOUT, SMOOTHING, MIN_COUNT = 0.003, 0.3, 0.1, 2
PAD, UNK, BEGIN, END = range(4)


def captions(path, part, language):
    """Return the captions of a part, tokenized and lower-case."""
    with zipfile.ZipFile(path) as archive:
        text = archive.read(f"{part}.lc.norm.tok.{language}").decode()
    return text.strip("\n").split("\n")


def bleu(found, true):
    """Return sacreBLEU's corpus BLEU, or NaN where it is not installed."""
    try:
        import sacrebleu
    except ModuleNotFoundError:
        return float("nan")
    return sacrebleu.corpus_bleu(
        list(found), [list(true)], tokenize="none", force=True
    ).score


class Rival(nn.Module):
    """What a user writes with torch: packed nn.GRU, Luong attention, tied outputs."""

    def __init__(self, sources, targets):
        super().__init__()
        self.source, self.target = (known(texts) for texts in (sources, targets))
        self.read = nn.Embedding(len(self.source) + 4, WIDTH, padding_idx=PAD)
        self.write = nn.Embedding(len(self.target) + 4, WIDTH, padding_idx=PAD)
        half = UNITS // 2
        self.encoder = nn.GRU(WIDTH, half, bidirectional=True, batch_first=True)
        self.bridge = nn.Linear(UNITS, UNITS)
        self.decoder = nn.GRU(WIDTH, UNITS, batch_first=True)
        self.key = nn.Linear(UNITS, UNITS, bias=False)
        self.combine = nn.Linear(2 * UNITS, WIDTH)
        self.bias = nn.Parameter(torch.zeros(len(self.target) + 4))
        self.dropout = nn.Dropout(DROPOUT)

    def encode(self, x):
        lengths = (x != PAD).sum(dim=1)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropout(self.read(x)), lengths, batch_first=True, enforce_sorted=False
        )
        states, last = self.encoder(packed)
        states, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True)
        first = torch.tanh(self.bridge(torch.cat([last[0], last[1]], dim=1)))
        return states, self.key(states), x == PAD, first[None]

    def decode(self, y, states, keys, absent, state):
        found, state = self.decoder(self.dropout(self.write(y)), state)
        scores = torch.bmm(found, keys.transpose(1, 2))
        weights = scores.masked_fill(absent[:, None], -1e9).softmax(dim=2)
        joined = torch.cat([found, torch.bmm(weights, states)], dim=2)
        return self.dropout(torch.tanh(self.combine(joined))), state

    def outputs(self, z):
        return z @ self.write.weight.T + self.bias

    def fit(self, X, y, rng):
        X, y = coded(X, self.source), coded(y, self.target)
        lengths = np.array([len(x) for x in X])
        n_batches = -(-len(X) // BATCH)
        optimizer = torch.optim.AdamW(self.parameters(), lr=RATE, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, RATE, total_steps=EPOCHS * n_batches, pct_start=0.15
        )
        self.train()
        for _ in range(EPOCHS):
            order = np.argsort(lengths + rng.uniform(0, 2, len(X)))
            for k in rng.permutation(n_batches):
                some = order[k * BATCH : (k + 1) * BATCH]
                source, target = (padded([part[i] for i in some]) for part in (X, y))
                begun = F.pad(target[:, :-1], (1, 0), value=BEGIN)
                *memory, state = self.encode(source)
                z, _ = self.decode(begun, *memory, state)
                real = target != PAD
                loss = F.cross_entropy(
                    self.outputs(z[real]), target[real], label_smoothing=SMOOTHING
                )
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.parameters(), 1.0)
                optimizer.step()
                schedule.step()
        return self

    def predict(self, X):
        self.eval()
        words = dict(zip(self.target.values(), self.target, strict=True))
        texts = []
        with torch.inference_mode():
            for begin in range(0, len(X), 100):
                source = padded(coded(X[begin : begin + 100], self.source))
                *memory, state = self.encode(source)
                now, written = torch.full((len(source), 1), BEGIN), []
                for _ in range(50):
                    z, state = self.decode(now, *memory, state)
                    logits = self.outputs(z[:, 0])
                    logits[:, :END] = -1e9
                    now = logits.argmax(dim=1, keepdim=True)
                    written.append(now)
                for row in torch.cat(written, dim=1).tolist():
                    row = [*row, END]
                    texts.append(" ".join(words[c] for c in row[: row.index(END)]))
        return texts


def known(texts):
    """Codes of the words that occur often enough."""
    words, counts = np.unique(" ".join(texts).split(), return_counts=True)
    return {word: k + 4 for k, word in enumerate(words[counts >= MIN_COUNT].tolist())}


def coded(texts, codes):
    """Texts as codes with their end."""
    return [[*(codes.get(word, UNK) for word in text.split()), END] for text in texts]


def padded(rows):
    """Codes as a tensor (B, T)."""
    return nn.utils.rnn.pad_sequence(
        [torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD
    )


def ours(seed):
    """Return a translator with the settings of the rival."""
    return GRUTranslator(
        UNITS,
        WIDTH,
        min_count=MIN_COUNT,
        dropout=DROPOUT,
        label_smoothing=SMOOTHING,
        learning_rate=RATE,
        batch_size=BATCH,
        max_iter=EPOCHS,
        max_length=50,
        early_stopping=False,
        random_state=seed,
    )


def rival(seed, X, y):
    """Return the other network, fitted."""
    torch.manual_seed(seed)
    return Rival(X, y).fit(X, y, np.random.default_rng(seed))


def letters(n, rng):
    """Words of 3 to 8 letters."""
    return ["".join(rng.choice(list("abcdefghijkl"), rng.integers(3, 9)))
            for _ in range(n)]  # fmt: skip


def toys():
    """Print the share of texts that are copied and reversed exactly."""
    rng = np.random.default_rng(0)
    X, X_test = letters(4000, rng), letters(1000, rng)
    for name, change in (("copied", str), ("reversed", lambda text: text[::-1])):
        model = GRUTranslator(
            128, 32, tokenizer="char", dropout=0.1, learning_rate=0.005, max_iter=15,
            early_stopping=False, random_state=0,
        )  # fmt: skip
        began = time.process_time()
        model.fit(X, [change(text) for text in X])
        seconds = time.process_time() - began
        right = model.predict(X_test) == np.array([change(text) for text in X_test])
        print(f"{name:20s} exactly right {right.mean():.4f}   {seconds:.0f} CPU s",
              flush=True)  # fmt: skip


def main(path=None, which="both", seed=0):
    """Print the table."""
    use_one_thread()
    print(describe(), flush=True)
    if path is None:
        toys()
        return
    train, valid = ([captions(path, part, language) for language in ("de", "en")]
                    for part in ("train", "val"))  # fmt: skip
    models = {"GRUTranslator(256)": lambda: ours(seed).fit(*train)}
    if which == "both":
        models["nn.GRU"] = lambda: rival(seed, *train)
    for name, fit in models.items():
        began = time.process_time()
        model = fit()
        seconds = time.process_time() - began
        report(name, model, valid, f"{seconds:.0f} CPU s")
        if isinstance(model, GRUTranslator):
            report("   beam_width=5", model.set_params(beam_width=5), valid, "")


def report(name, model, valid, cost):
    """Print one line."""
    began = time.process_time()
    found = model.predict(valid[0])
    seconds = time.process_time() - began
    print(f"{name:20s} BLEU {bleu(found, valid[1]):.2f}   "
          f"chrF {100 * chrf(found, valid[1]):.2f}   {cost}   "
          f"(predict {seconds:.0f} s)", flush=True)  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
