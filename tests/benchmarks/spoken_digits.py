"""Texts of spoken digits: a transcriber against plain torch, on strings of FSDD clips.

``python -m tests.benchmarks.spoken_digits FSDD_clips.npz`` joins clips of the Free
Spoken Digit Dataset (one speaker, 3 to 6 digits, random pauses) to strings: 2500 of
takes 5 to 49 to learn from, 300 of takes 0 to 4 to judge. It prints the digit error
rate, the share of strings that are right and CPU seconds of a fit. The file holds
`samples` (int16, 8 kHz) and, for each clip, `offsets`, `digit`, `speaker` and `take`.
The data set is CC BY-SA 4.0 and not part of this package.
"""

import sys
import time

import numpy as np
import torch
from scipy.fft import dct
from torch import nn

from sklearn_gru._estimators.text_scores import token_error_rate
from sklearn_gru.text import GRUTranscriber
from tests.benchmarks.machine import describe, use_one_thread

HERTZ, FRAME, HOP, N_FFT = 8000, 200, 160, 256
N_BANDS, N_CEPSTRA = 26, 20
EPOCHS, BATCH, UNITS, RATE, DROPOUT = 14, 32, 64, 0.005, 0.2
HELD_OUT = 5  # takes


def mel_bands():
    """Triangular filters (n_bands, n_frequencies), evenly spaced on the mel scale."""
    mel = np.linspace(*(2595 * np.log10(1 + f / 700) for f in (60, HERTZ / 2)), 28)
    edges = 700 * (10 ** (mel / 2595) - 1)
    frequency = np.linspace(0, HERTZ / 2, N_FFT // 2 + 1)
    left, center, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (frequency - left) / (center - left)
    falling = (right - frequency) / (right - center)
    return np.maximum(0, np.minimum(rising, falling))


def cepstra(sound, bands):
    """Mel-frequency cepstral coefficients (n_frames, 20) every 20 ms."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(sound, (0, FRAME)), FRAME)
    power = np.abs(np.fft.rfft(frames[::HOP] * np.hamming(FRAME), N_FFT)) ** 2
    return dct(np.log(power @ bands.T + 1e-6), norm="ortho")[:, :N_CEPSTRA]


def strings(path, n, rng, *, held_out):
    """Return cepstra of `n` strings and their digits."""
    data = np.load(path, allow_pickle=True)
    sound = data["samples"].astype(np.float32) / 2**15
    offsets, digit, speaker = data["offsets"], data["digit"], data["speaker"]
    usable = np.flatnonzero((data["take"] < HELD_OUT) == held_out)
    bands, X, y = mel_bands(), [], []
    for _ in range(n):
        who = rng.choice(np.unique(speaker))
        clips = rng.choice(usable[speaker[usable] == who], rng.integers(3, 7))
        parts = [pause(rng, 200)]
        for clip in clips:
            parts += [sound[offsets[clip] : offsets[clip + 1]], pause(rng, 100)]
        X.append(cepstra(np.concatenate(parts), bands).astype(np.float32))
        y.append("".join(map(str, digit[clips])))
    return X, y


def pause(rng, shortest):
    """Faint noise of a random duration."""
    return 1e-3 * rng.normal(size=rng.integers(shortest, 1600)).astype(np.float32)


class Rival(nn.Module):
    """What a user writes with torch: a packed GRU, a linear layer, CTCLoss."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(N_CEPSTRA, UNITS, bidirectional=True, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.out = nn.Linear(2 * UNITS, 11)

    def forward(self, x):
        packed = nn.utils.rnn.pack_sequence(x, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.gru(packed)[0], batch_first=True
        )
        return self.out(self.dropout(states)).log_softmax(dim=2)

    def fit(self, X, y, seed):
        torch.manual_seed(seed)
        self.__init__()
        rng = np.random.default_rng(seed)
        rows = np.concatenate(X)
        self.mean, self.std = rows.mean(axis=0), rows.std(axis=0)
        X = self._standard(X)
        y = [torch.tensor([int(digit) + 1 for digit in text]) for text in y]
        starts = range(0, len(X) - BATCH + 1, BATCH)
        optimizer = torch.optim.AdamW(self.parameters(), lr=RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, RATE, total_steps=EPOCHS * len(starts), pct_start=0.2
        )
        loss = nn.CTCLoss(zero_infinity=True)
        self.train()
        for _ in range(EPOCHS):
            order = rng.permutation(len(X))
            for start in starts:
                some = order[start : start + BATCH]
                x, text = [X[k] for k in some], [y[k] for k in some]
                sizes = (torch.tensor([len(v) for v in part]) for part in (x, text))
                found = loss(self(x).transpose(0, 1), torch.cat(text), *sizes)
                optimizer.zero_grad()
                found.backward()
                nn.utils.clip_grad_norm_(self.parameters(), 1.0)
                optimizer.step()
                schedule.step()
        return self

    def predict(self, X):
        self.eval()
        texts = []
        with torch.inference_mode():
            for x in self._standard(X):
                path = self([x])[0].argmax(dim=1).unique_consecutive().tolist()
                texts.append("".join(str(k - 1) for k in path if k))
        return texts

    def _standard(self, X):
        return [torch.from_numpy((x - self.mean) / self.std) for x in X]


def ours(seed):
    """Return a transcriber with the settings of the rival."""
    return GRUTranscriber(
        UNITS,
        dropout=DROPOUT,
        learning_rate=RATE,
        batch_size=BATCH,
        max_iter=EPOCHS,
        early_stopping=False,
        random_state=seed,
    )


def main(path, seeds=(0,)):
    """Print the table."""
    use_one_thread()
    print(describe(), flush=True)
    train = strings(path, 2500, np.random.default_rng(0), held_out=False)
    test = strings(path, 300, np.random.default_rng(1), held_out=True)
    for seed in seeds:
        models = {
            "GRUTranscriber(64)": lambda seed=seed: ours(seed).fit(*train),
            "nn.GRU, CTCLoss": lambda seed=seed: Rival().fit(*train, seed),
        }
        for name, fit in models.items():
            began = time.process_time()
            model = fit()
            seconds = time.process_time() - began
            report(name, model.predict(test[0]), test[1], f"{seconds:.0f} CPU s")
            if isinstance(model, GRUTranscriber):
                model.set_params(beam_width=8)
                report("   beam_width=8", model.predict(test[0]), test[1], "")


def report(name, found, true, cost):
    """Print one line."""
    rate = token_error_rate(found, true)
    right = np.mean([a == b for a, b in zip(found, true, strict=True)])
    print(f"{name:20s} digit error rate {rate:.4f}   strings right {right:.3f}   {cost}",
          flush=True)  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
