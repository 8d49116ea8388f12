"""Networks, batches and training by PyTorch; `net` is the only seam to skorch."""
