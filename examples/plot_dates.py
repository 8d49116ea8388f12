"""
Dates in many hands
===================

"3rd of May, 99", "MAY 3 1999", "3/5/99": one date, as different people write it. A
:class:`~sklearn_gru.text.GRUTranslator` reads a text character by character and writes
another one, here the date in ISO form. Pairs of texts are all it learns from.
"""

# %%
# Pairs
# -----
# The dates are made up by this script: nine ways to write a date, with slips of the pen
# (a letter is left out, or two are swapped) in a tenth of them. The days of the test
# are not among those to learn from. In your own case, the pairs are what somebody has
# typed in and what somebody has corrected it to: dates, units, product codes, names.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from dateutil import parser

from sklearn_gru.text import GRUTranslator

WAYS = (
    "{d}{th} of {month}, {yy}",
    "{d}{th} {month} {yyyy}",
    "{month} {d} {yyyy}",
    "{month} {d}{th}, {yyyy}",
    "{d}/{m}/{yy}",
    "{d}.{m}.{yyyy}",
    "{yyyy}-{m:02d}-{d:02d}",
    "{weekday} {d} {mon} '{yy}",
    "{d}-{mon}-{yyyy}",
)


def written(day, rng):
    """Return a date as somebody writes it."""
    ends = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
    text = rng.choice(WAYS).format(
        d=day.day,
        th=ends.get(day.day, "th"),
        m=day.month,
        month=day.month_name(),
        mon=day.month_name()[:3],
        yyyy=day.year,
        yy=f"{day.year % 100:02d}",
        weekday=day.day_name()[:3],
    )
    change = rng.choice([str, str.lower, str.upper])
    return slip(change(text), rng) if rng.random() < 0.1 else change(text)


def slip(text, rng):
    """Leave a letter of a word out, or swap it with the next one."""
    places = [k for k in range(len(text) - 1) if text[k : k + 2].isalpha()]
    if not places:
        return text
    k = int(rng.choice(places))
    both = rng.choice([text[k + 1], text[k + 1] + text[k]])
    return text[:k] + both + text[k + 2 :]


rng = np.random.default_rng(0)
days = pd.Series(pd.date_range("1950-01-01", "2029-12-31")).sample(6000, random_state=0)
X = [written(day, rng) for day in days]
y = days.dt.strftime("%Y-%m-%d").tolist()
X, X_test, y, y_test = X[:5000], X[5000:], y[:5000], np.array(y[5000:])
print(pd.DataFrame({"written": X, "date": y}).head(8).to_string(index=False))

# %%
# Fit
# ---
# Characters are the tokens. `predict` returns an array of strings. The score is that of
# their character n-grams (chrF); here it also matters how many are right as a whole.

model = GRUTranslator(
    128,
    32,
    tokenizer="char",
    dropout=0.1,
    learning_rate=0.005,
    max_iter=15,
    early_stopping=False,
    random_state=0,
)
found = model.fit(X, y).predict(X_test)
print(f"chrF {model.score(X_test, y_test):.4f}, right {np.mean(found == y_test):.4f}")

# %%
# What is wrong is mostly what nobody could know.

wrong = found != y_test
errors = {"written": X_test, "found": found, "date": y_test}
print(pd.DataFrame(errors)[wrong].head(5).to_string(index=False))

# %%
# A parser for dates exists, and knows the rules without a single pair. It has its own
# opinion on two-digit years and gives up on slips. If there is a parser for your texts,
# begin with it.


def parsed(text):
    """Return the ISO form of a date, or nothing."""
    iso = text[:4].isdigit()
    try:
        found = parser.parse(text, dayfirst=not iso, ignoretz=True)
    except (ValueError, OverflowError):
        return ""
    return found.strftime("%Y-%m-%d")


by_rules = np.array([parsed(text) for text in X_test])
print(f"dateutil: right {np.mean(by_rules == y_test):.4f}")

# %%
# Where it looks
# --------------
# Each row is a character that was written, each column one that was read; dark is where
# attention looked. The year comes first, from the end of the text.

text = "3rd of May, 99"
answer, weights = model.predict([text])[0], model.attention_weights([text])[0]
figure, axis = plt.subplots(figsize=(6, 4.5), layout="constrained")
axis.imshow(weights, cmap="Greys", aspect="auto")
axis.set_xticks(range(len(text) + 1), [*text.replace(" ", "_"), "end"])
axis.set_yticks(range(len(answer)), answer)
axis.set(xlabel="read", ylabel="written")
plt.show()
