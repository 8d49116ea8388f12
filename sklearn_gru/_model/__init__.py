"""The model: its cells, poolings, losses and tasks, apart from any engine.

Nothing here imports scikit-learn or pandas, and PyTorch only inside methods that are
handed tensors. Each part that varies is a small class in a registry (``CELLS``,
``POOLINGS``, ``LOSSES``), and a :class:`~sklearn_gru._model.spec.NetworkSpec` names its
choices.
"""
