"""Networks, batches and training in PyTorch; only `net` depends on skorch's net."""
