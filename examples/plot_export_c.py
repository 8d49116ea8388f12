"""
A forecast in C
===============

A small device has neither Python nor a runtime. :func:`sklearn_gru.export.to_c` writes
a fitted pipeline as one C file, which needs the C library alone. This example compiles
it, where there is a compiler, and replays three days of weather through it, with
weights in float32 and in int8.
"""

# %%
# A forecast
# ----------
# The model learns the temperature of the next hour from the last day.

import shutil
import subprocess
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, datasets
from sklearn_gru.export import to_c

columns = ["temp", "dewp", "humid", "pressure"]
weather = datasets.load_nyc_weather().frame[columns].xs("JFK", level="origin")
weather = weather.astype(float).asfreq("h")["2013-03-01":"2013-06-01"]
y = weather["temp"].shift(-1)
past, new = weather[:-72], weather[-72:]
known = y[:-72].notna()

model = make_pipeline(
    SlidingWindow(24), GRURegressor(hidden_size=16, max_iter=5, random_state=0)
)
model.fit(past[known], y[:-72][known])
expected = model.predict(new)

# %%
# Two files
# ---------
# The exporter returns the largest change of a prediction by the rounding of weights, in
# standard deviations of y.

folder = Path(tempfile.mkdtemp())
for weights in ("float32", "int8"):
    loss = to_c(model, folder / f"{weights}.c", weights=weights, name="forecast")
    print(f"{weights}: {loss:.1e} standard deviations")

# %%
# The program of the device
# -------------------------
# It includes the file, reads rows from its input and writes an answer for each.

MAIN = """
#include <stdio.h>
#include "WEIGHTS.c"
int main(void) {
  static forecast_state state;
  double row[FORECAST_N_FEATURES], answer[FORECAST_N_OUT];
  int j;
  forecast_reset(&state);
  for (;;) {
    for (j = 0; j < FORECAST_N_FEATURES; j++)
      if (scanf("%lf", &row[j]) != 1) return 0;
    forecast_step(&state, row, answer);
    printf("%.9g\\n", answer[0]);
  }
}
"""
compiler = shutil.which("gcc") or shutil.which("clang")
rows = weather[-72 - 23 :]  # the windows of the first rows reach back
text = "\n".join(" ".join(f"{v:.17g}" for v in row) for row in rows.to_numpy())
found = {}
for weights in ("float32", "int8"):
    if compiler is None:
        print("no C compiler here")
        break
    (folder / "main.c").write_text(MAIN.replace("WEIGHTS", weights))
    command = [compiler, "-std=c99", "-O2", "main.c", "-lm", "-o", weights]
    subprocess.run(command, cwd=folder, check=True)
    done = subprocess.run(
        [folder / weights], input=text, capture_output=True, text=True, check=True
    )
    found[weights] = np.array(done.stdout.split(), dtype=float)[-72:]
    gap = np.abs(found[weights] - expected).max()
    print(f"{weights}: at most {gap:.1e} degrees from predict")

# %%
# Three days
# ----------

fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
ax.plot(new.index, y[-72:], "k", label="observed", linewidth=1)
ax.plot(new.index, expected, label="predict", linewidth=4, alpha=0.4)
for weights, answers in found.items():
    ax.plot(new.index, answers, "--", label=f"C, {weights}")
ax.set(ylabel="degrees Fahrenheit", title="The next hour, in Python and in C")
ax.tick_params(axis="x", rotation=30)
_ = ax.legend()
