"""Write the models that later versions have to load, with what they answer today.

``python -m tests.tools.save_models`` writes ``tests/saved/<version>``: a pickle and the
answers of each model of `tests/saved_models.py`, a portable model, and the parameters
of the public interface. Run it once, for the commit that gets the tag.
"""

import json
import pickle
import shutil

import numpy as np
import sklearn
import torch

import sklearn_gru
from sklearn_gru.export import load_portable, to_portable
from tests.saved_models import CASES, FOLDER, answers, interface, make_sequences

LARGEST = 100_000  # bytes of a file


def write(folder):
    """Write all files of a version."""
    for make in CASES:
        model, training, method, X = make()
        model.fit(*training)
        (folder / f"{make.__name__}.pickle").write_bytes(pickle.dumps(model, 4))
        np.save(folder / f"{make.__name__}.npy", answers(model, method, X))
        if make.__name__ == "classifier":
            to_portable(model, folder / "classifier.gru")
            portable = load_portable(folder / "classifier.gru")
            found = portable.predict_proba(make_sequences())
            np.save(folder / "portable.npy", found)
    versions = {"sklearn": sklearn.__version__, "numpy": np.__version__}
    versions |= {"torch": torch.__version__, "sklearn_gru": sklearn_gru.__version__}
    about = {"versions": versions, "interface": interface()}
    text = json.dumps(about, indent=1) + "\n"
    (folder / "about.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    folder = FOLDER / sklearn_gru.__version__.partition(".dev")[0]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write(folder)
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size:7} {path.name}")
        assert path.name == "about.json" or path.stat().st_size < LARGEST
