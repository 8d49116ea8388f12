"""The model: its cells, poolings, losses and tasks, independent of any engine.

Nothing here imports scikit-learn or pandas; PyTorch is imported only inside methods
that receive tensors. Each interchangeable part is a small class in a registry
(``CELLS``, ``POOLINGS``, ``LOSSES``), and a
:class:`~sklearn_gru._model.spec.NetworkSpec` refers to the parts by name.
"""
