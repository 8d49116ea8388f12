"""Small networks, batches for them, and the check of their gradients."""

import torch
from torch.func import functional_call

from sklearn_gru._engines.torch.device import RandomStream
from sklearn_gru._engines.torch.module import SequenceModel
from sklearn_gru._model.spec import NetworkSpec


def make_model(seed=0, **changes):
    """A small network as it comes from its constructor, in float32."""
    spec = {
        "n_inputs": 3,
        "n_outputs": 2,
        "cell": "gru",
        "hidden_size": 4,
        "num_layers": 1,
        "bidirectional": False,
        "pooling": "last",
        "dropout": 0.0,
    }
    generator = torch.Generator().manual_seed(seed)
    stream = RandomStream(seed + 1, torch.device("cpu"))
    return SequenceModel(NetworkSpec(**{**spec, **changes}), generator, stream)


def scrambled(**changes):
    """A network in float64 in which every parameter, biases too, is some number."""
    model = make_model(**changes).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-1, 1, generator=generator)
    return model


def make_batch(ragged, n_inputs=3, n_steps=6):
    """Values (5, n_steps, n_inputs) and lengths; what stands behind an end is absurd."""
    generator = torch.Generator().manual_seed(4)
    values = torch.randn(5, n_steps, n_inputs, generator=generator, dtype=torch.float64)
    if not ragged:
        return values, None
    lengths = torch.tensor([2, n_steps, 1, n_steps - 1, n_steps])
    for x, length in zip(values, lengths, strict=True):
        x[length:] = 50.0
    return values, lengths


def check_gradients(model, ragged):
    """Autograd against central differences, for all parameters and the input."""
    values, lengths = make_batch(ragged, n_inputs=2, n_steps=4)
    values.requires_grad_()
    target = torch.linspace(-1, 1, 10, dtype=torch.float64).view(5, 2)
    names = [name for name, _ in model.named_parameters()]

    def loss(values, *parameters):
        state = dict(zip(names, parameters, strict=True))
        output = functional_call(model, state, (values, lengths))
        return ((output - target) ** 2).mean()

    parameters = [p.detach().clone().requires_grad_() for p in model.parameters()]
    assert torch.autograd.gradcheck(
        loss, (values, *parameters), eps=1e-6, atol=1e-7, rtol=1e-5
    )
