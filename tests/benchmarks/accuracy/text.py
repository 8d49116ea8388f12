"""Raw texts as sequences of numbered words, for the networks."""

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer


class TokenNumbers(CountVectorizer):
    """The numbers of the known words in reading order, the last 400 of each text.

    Numbers start at 0; a text without a known word is one missing value.
    """

    def fit_transform(self, texts, y=None):
        """Learn the vocabulary."""
        super().fit_transform(texts)
        return self.transform(texts)

    def transform(self, texts):
        """A list of (n_words, 1)."""
        words, number = self.build_analyzer(), self.vocabulary_
        known = ([number[w] for w in words(text) if w in number] for text in texts)
        lists = (k[-400:] or [np.nan] for k in known)
        return [np.array(k, dtype=np.float32).reshape(-1, 1) for k in lists]
