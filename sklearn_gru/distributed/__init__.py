"""One model from several processes or machines.

:func:`data_parallel` shares a fit among the processes of a ``torch.distributed`` group,
which torchrun, Ray Train or Spark's TorchDistributor start. :func:`fit_dask` starts
them on the workers of a Dask cluster, and :func:`predict_dask` predicts there.
"""

from sklearn_gru.distributed._dask import fit_dask, predict_dask
from sklearn_gru.distributed._group import DataParallel, data_parallel

__all__ = ["DataParallel", "data_parallel", "fit_dask", "predict_dask"]
