"""Mel-frequency cepstral coefficients, the input of small speech recognisers.

Written out because one feature does not deserve an audio library: power spectrum of
overlapping frames, triangular mel filters, logarithm, cosine transform [1]_.

References
----------
.. [1] Davis & Mermelstein (1980). Comparison of parametric representations for
   monosyllabic word recognition in continuously spoken sentences. IEEE TASSP.
"""

import numpy as np
from scipy.fft import dct


def mel_filters(rate, n_fft, n_filters):
    """Triangles of equal width on the mel scale (n_filters, n_fft // 2 + 1)."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, n_filters + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(n_fft, 1 / rate)
    left, mid, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise, fall = (hertz - left) / (mid - left), (right - hertz) / (right - mid)
    return np.maximum(0, np.minimum(rise, fall))


def mfcc(clip, rate, *, n_coefficients=13, n_filters=26, frame=0.032, hop=0.02):
    """Coefficients and their differences: (n_frames, 2 * n_coefficients)."""
    size, step = round(frame * rate), round(hop * rate)
    clip = np.pad(clip, (0, max(0, size - len(clip))))
    frames = np.lib.stride_tricks.sliding_window_view(clip, size)[::step]
    power = np.abs(np.fft.rfft(frames * np.hamming(size))) ** 2
    mel = np.log(power @ mel_filters(rate, size, n_filters).T + 1.0)
    coefficients = dct(mel, norm="ortho")[:, :n_coefficients]
    delta = np.gradient(coefficients, axis=0) if len(mel) > 1 else 0 * coefficients
    return np.hstack([coefficients, delta]).astype(np.float32)
