"""
The number behind dialing tones
===============================

A telephone sends a key as two tones at once. Which number was dialed? The text of a
recording is known, but not when each key was pressed. A
:class:`~sklearn_gru.text.GRUTranscriber` learns from recordings and their texts alone.
"""

# %%
# Recordings
# ----------
# The tones are synthesized, but the code is real: each row and each column of the
# keypad has a frequency of its own (DTMF, ITU-T Q.23). Keys are held for 50 to 150 ms
# with pauses of 40 to 120 ms, at different levels and over noise.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_gru.text import GRUTranscriber

HERTZ, HOP = 8000, 80  # samples per second, and per frame: 10 ms
ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477)
KEYS = {
    key: (low, high)
    for low, line in zip(ROWS, ("123", "456", "789", "*0#"), strict=True)
    for key, high in zip(line, COLUMNS, strict=True)
}


def recording(number, rng):
    """Sound of a dialed number, with noise."""
    parts = [np.zeros(rng.integers(200, 1000))]
    for key in number:
        t = np.arange(rng.integers(400, 1200)) / HERTZ
        phases = rng.uniform(0, 2 * np.pi, 2)
        low, high = np.sin(2 * np.pi * np.outer(KEYS[key], t) + phases[:, None])
        parts += [low + high, np.zeros(rng.integers(320, 960))]
    sound = np.concatenate(parts) * rng.uniform(0.5, 1.5)
    return sound + 0.5 * rng.normal(size=len(sound))


def frames(sound):
    """Logarithm of the power in bands of 31 Hz from 0.6 to 1.6 kHz, every 10 ms."""
    windows = np.lib.stride_tricks.sliding_window_view(sound, 256)[::HOP]
    power = np.abs(np.fft.rfft(windows * np.hanning(256))) ** 2
    return np.log(power[:, 20:52] + 1e-3)


def make(n, rng):
    """Frames of recordings, and the numbers that were dialed."""
    keys = list(KEYS)
    numbers = ["".join(rng.choice(keys, rng.integers(1, 9))) for _ in range(n)]
    return [frames(recording(number, rng)) for number in numbers], numbers


rng = np.random.default_rng(0)
X, y = make(800, rng)
X_test, y_test = make(300, rng)
print(f"{len(X)} recordings of {min(map(len, X))} to {max(map(len, X))} frames")
print(y[:4])

# %%
# Fit
# ---
# X is a list of arrays, y a list of strings. The score is 1 minus the token error rate:
# the keys to insert, delete or replace, over the keys that were dialed.

model = GRUTranscriber(32, max_iter=30, random_state=0).fit(X, y)
found = model.predict(X_test)
right = np.mean(found == np.array(y_test))
print(f"keys: {model.score(X_test, y_test):.4f}, whole numbers right: {right:.3f}")

# %%
# The loss stays high until the network finds out where keys are, and falls quickly
# then. That is usual for this loss: judge it after that, and give early stopping some
# patience (`n_iter_no_change`).

print(np.round(model.loss_curve_, 3))

# %%
# A search over several candidates (`beam_width`) adds up the probability of all ways to
# align a text. It helps where the frames are unclear; here, little is left to gain.

model.set_params(beam_width=8)
print(f"keys: {model.score(X_test, y_test):.4f}")

# %%
# When it was dialed
# ------------------
# The network says a key at one frame or a few, and nothing at all the others. Nobody
# told it when.

wanted = max(range(len(y_test)), key=lambda k: len(set(y_test[k])))
x, number = X_test[wanted], y_test[wanted]
figure, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
axis.imshow(
    x.T,
    origin="lower",
    aspect="auto",
    cmap="Greys",
    extent=(0, len(x) * HOP / HERTZ, 20 * HERTZ / 256, 52 * HERTZ / 256),
)
said = model.frame_log_proba([x])[0].argmax(axis=1)  # 0 is the blank
for k in np.flatnonzero((said > 0) & (said != np.roll(said, 1))):
    key = model.alphabet_[said[k] - 1]
    axis.axvline(k * HOP / HERTZ, color="#D55E00", lw=1)
    axis.text(k * HOP / HERTZ, 1640, key, color="#D55E00", ha="center")
axis.set(
    xlabel="seconds",
    ylabel="hertz",
    title=f"dialed {number}, read {model.predict([x])[0]}\n",
)
plt.show()
