"""All that changes in a run, and its form in a checkpoint."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from train.checkpoints.checkpoint import Checkpoint
from train.errors import CheckpointError
from train.model import UNet
from train.params import TrainParams
from train.rows import Row

_BETAS = (0.9, 0.99)


@dataclass(slots=True)
class TrainState:
    """All that changes in a run."""

    model: UNet
    ema: UNet
    """The moving average of the weights."""
    optimizer: torch.optim.AdamW
    step: int = 0
    """Steps done."""
    loss_sum: float = 0.0
    """Sum of the losses of the steps since the last row of the curve."""
    loss_steps: int = 0
    curve: list[Row] = field(default_factory=list)
    best: dict[str, Tensor] | None = None
    """The average at its best on the validation split; none until that is known."""
    best_step: int = 0
    best_de00: float | None = None


def make_state(params: TrainParams, table_RK2: Tensor, *, device: torch.device) -> TrainState:
    """Make the state a run starts from, the same on every rank.

    Args:
        params: Settings.
        table_RK2: Colour by row and bin of lightness, float32, Lab units.
        device: Where to train.
    """
    torch.manual_seed(params.seed)
    model = UNet(table_RK2)
    model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    decayed = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": params.weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=params.lr, betas=_BETAS)
    ema = copy.deepcopy(model).requires_grad_(False)
    return TrainState(model=model, ema=ema, optimizer=optimizer)


def pack(state: TrainState) -> Checkpoint:
    """Give a state the form of a checkpoint: its tensors are the run's own, and no copies.

    Torch's generators are part of it, though nothing draws from them today: order and
    augmentation are functions of the step.
    """
    tensors = {
        **_named("model", state.model.state_dict().items()),
        **_named("ema", state.ema.state_dict().items()),
        **_named("best", (state.best or {}).items()),
    }
    for number, moments in state.optimizer.state_dict()["state"].items():
        tensors |= _named(f"optimizer.{number}", moments.items())
    tensors |= _named("generator", _read_generators(state.model.table_RK2.device))
    facts = {
        "loss_sum": state.loss_sum,
        "loss_steps": state.loss_steps,
        "curve": list(state.curve),
        "best_step": state.best_step,
        "best_de00": state.best_de00,
    }
    return Checkpoint(step=state.step, tensors=tensors, facts=facts)


def measure(state: TrainState) -> int:
    """Return the bytes of a state's tensors, once it has trained and knows its best weights."""
    weights: int = sum(tensor.nbytes for tensor in state.model.state_dict().values())
    # Those of the model, the average and the best, and two moments of each; and room for the rest.
    return 5 * weights + 2**20


def unpack(checkpoint: Checkpoint, state: TrainState) -> None:
    """Put a checkpoint into a fresh state of the same settings.

    Raises:
        CheckpointError: If it is of another network.
    """
    tensors, facts = checkpoint.tensors, checkpoint.facts
    try:
        state.model.load_state_dict(_under("model", tensors))
        state.ema.load_state_dict(_under("ema", tensors))
        _restore_optimizer(state.optimizer, _under("optimizer", tensors))
        state.loss_sum, state.loss_steps = facts["loss_sum"], facts["loss_steps"]
        state.curve, state.step = list(facts["curve"]), checkpoint.step
        state.best_step, state.best_de00 = facts["best_step"], facts["best_de00"]
        device = state.model.table_RK2.device
        _restore_generators(device, _under("generator", tensors))
    except (KeyError, ValueError, RuntimeError) as exc:
        raise CheckpointError(
            f"the checkpoint of step {checkpoint.step} is not of this network: {exc}; "
            f"leave --resume out, or remove the checkpoint's folder, to start afresh"
        ) from exc
    best = {name: tensor.to(device) for name, tensor in _under("best", tensors).items()}
    state.best = best or None


def _read_generators(device: torch.device) -> list[tuple[str, Tensor]]:
    found = [("cpu", torch.get_rng_state())]
    if device.type == "cuda":
        found.append(("cuda", torch.cuda.get_rng_state(device)))
    return found


def _restore_generators(device: torch.device, tensors: dict[str, Tensor]) -> None:
    torch.set_rng_state(tensors["cpu"])
    # Of a run that goes on where there is a GPU, and had none before, there is nothing to restore.
    if device.type == "cuda" and "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"], device)


def _restore_optimizer(optimizer: torch.optim.AdamW, tensors: dict[str, Tensor]) -> None:
    whole = optimizer.state_dict()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for number, parameter in enumerate(parameters):
        moments = _under(str(number), tensors)
        whole["state"][number] = {
            # Laid out in memory as the optimizer would: other kernels may round otherwise.
            name: torch.empty_like(parameter).copy_(value) if value.ndim else value
            for name, value in moments.items()
        }
    optimizer.load_state_dict(whole)


def _named(prefix: str, tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor.detach() for name, tensor in tensors}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {
        name.removeprefix(start): tensor
        for name, tensor in tensors.items()
        if name.startswith(start)
    }
