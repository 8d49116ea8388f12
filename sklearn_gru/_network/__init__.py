"""The network: embeddings, recurrent layers, pooling over steps, a linear head.

Plain PyTorch over right-padded batches with exact lengths. It sees one frozen
:class:`~sklearn_gru._network._spec.NetworkSpec` and tensors, and knows neither
scikit-learn nor pandas nor skorch.
"""

from sklearn_gru._network._embedding import embedding_width
from sklearn_gru._network._gates import GATES
from sklearn_gru._network._model import SequenceModel
from sklearn_gru._network._spec import NetworkSpec

__all__ = ["GATES", "NetworkSpec", "SequenceModel", "embedding_width"]
