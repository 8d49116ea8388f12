"""
Export to ONNX
==============

A fitted model predicts from a pickle if this package, PyTorch and numba are there. As
an ONNX graph it predicts in Python, C++, C#, Java or JavaScript, on phones and in
browsers. This example exports a forecast of the temperature, runs it in ONNX Runtime,
and, where Node.js and onnxruntime-web are installed, in the WebAssembly that browsers
run.
"""

# %%
# A forecast
# ----------
# The model learns the temperature of the next hour from the last day.

import json
import shutil
import subprocess
import tempfile
import time as clock
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import GRURegressor, SlidingWindow, datasets
from sklearn_gru.export import to_onnx

columns = ["temp", "dewp", "humid", "pressure"]
weather = datasets.load_nyc_weather().frame[columns].xs("JFK", level="origin")
weather = weather.astype(float).asfreq("h")["2013-03-01":"2013-06-01"]
y = weather["temp"].shift(-1)
past, new = weather[:-72], weather[-72:]
known = y[:-72].notna()

model = make_pipeline(
    StandardScaler().set_output(transform="pandas"),
    SlidingWindow(24),
    GRURegressor(32, max_iter=10, normalization=None, random_state=0),
)
model.fit(past[known], y[:-72][known])

# %%
# The graph
# ---------
# The scaler and the window are part of it. Before the file is written, the graph is run
# and compared with ``predict``, on random rows and on those that we pass. Its metadata
# tell what a program needs to know.

folder = Path(tempfile.mkdtemp())
graph = to_onnx(model, folder / "weather.onnx", X=past)
about = {entry.key: json.loads(entry.value) for entry in graph.metadata_props}
for name, value in about.items():
    print(f"{name}: {value}")
print(f"{(folder / 'weather.onnx').stat().st_size / 1000:.0f} kB")

# %%
# ONNX Runtime
# ------------
# The input are the rows of one series in the order of time, an hour apart. The first
# window is whole after ``window_size - 1`` rows, so these go in front of the new ones.

reach = about["window_size"] + about["lag"] - 1
rows = weather[about["feature_names"]].to_numpy()[-72 - reach :]
session = onnxruntime.InferenceSession(folder / "weather.onnx")
start = clock.perf_counter()
(told,) = session.run(["prediction"], {"X": rows})
print(f"{len(rows)} rows in {(clock.perf_counter() - start) * 1e3:.1f} ms")
expected = model.predict(new)
print("largest difference from predict:", np.abs(told[reach:] - expected).max())

# %%
# WebAssembly
# -----------
# The same file in onnxruntime-web, in Node.js. In a browser, the lines between
# ``create`` and ``run`` are the same. Install it with ``npm install onnxruntime-web``
# in the folder that this example runs in.

script = """
const ort = require("onnxruntime-web");
const fs = require("fs");
async function main() {
  const [model, data, columns] = process.argv.slice(1);
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(fs.readFileSync(model));
  const bytes = fs.readFileSync(data);
  const cells = new Float64Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const shape = [cells.length / columns, Number(columns)];
  const X = new ort.Tensor("float64", cells, shape);
  const { prediction } = await session.run({ X });
  console.log(JSON.stringify(Array.from(prediction.data)));
}
main();
"""


def in_node(*arguments):
    """Run JavaScript in Node.js; None where it, or onnxruntime-web, is missing."""
    node = shutil.which("node")
    if node is None:
        return None
    find = [node, "-e", 'require.resolve("onnxruntime-web")']
    if subprocess.run(find, capture_output=True).returncode:
        return None
    command = [node, "-e", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return np.array(json.loads(done.stdout))


rows.tofile(folder / "rows.bin")
in_browser = in_node(folder / "weather.onnx", folder / "rows.bin", rows.shape[1])
if in_browser is None:
    print("Node.js or onnxruntime-web is not installed: nothing to compare.")
else:
    print("largest difference in WebAssembly:", np.abs(in_browser - told).max())

# %%
# One row at a time
# -----------------
# With ``step=True``, the state of the network goes in and comes out, and each row costs
# one step. Behind a window these are the states of all windows that are open, so that
# the answer stays that of the newest 24 rows. If ridge regression has a share in the
# outputs, the rows that it reads are a state, too.

step = onnxruntime.InferenceSession(to_onnx(model, step=True).SerializeToString())
names = [output.name for output in step.get_outputs()]
state = {}
for port in step.get_inputs()[1:]:
    shape = [1 if size == "n" else size for size in port.shape]
    dtype = np.int64 if port.name == "count" else np.float32
    state[port.name] = np.zeros(shape, dtype)
one_by_one = []
for row in rows:
    found = dict(zip(names, step.run(None, {"row": row[None], **state}), strict=True))
    state = {name: found[f"new_{name}"] for name in state}
    one_by_one.append(found["prediction"][0])
print("largest difference row by row:", np.abs(np.array(one_by_one) - told).max())

hours = new.index + new.index.freq
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.plot(new.index, new["temp"], ".", color="gray", label="measured")
ax.plot(hours, expected, label="predict", linewidth=4, alpha=0.4)
ax.plot(hours, told[reach:], label="ONNX Runtime", linewidth=1)
ax.set(ylabel="temperature (°F)")
ax.tick_params(axis="x", labelrotation=20)
ax.legend(fontsize="small")
shutil.rmtree(folder)
plt.show()
