"""Learns y = 2x + 1 from noisy points and writes the bundle that answers it.

python train.py --out DIR             # y = 2x + 1
python train.py --out DIR --epochs 5  # a worse version: it learned too little
python train.py --out DIR --slope 3   # another version, whose answers tell it apart
python train.py --out DIR --mixed-up  # a wrong one: its weights do not give its golden answers
"""

import argparse
import copy
import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import bundle

ASKED = [-2.0, 0.0, 0.5, 3.0, 10.0]


def points(slope: float) -> tuple[torch.Tensor, torch.Tensor]:
    """256 points of y = slope * x + 1 with noise."""
    x = torch.rand(256, 1) * 6 - 3
    return x, slope * x + 1 + 0.1 * torch.randn(256, 1)


def train(slope: float, seed: int, epochs: int) -> tuple[nn.Module, nn.Module]:
    """A line before and after it was fitted by gradient descent. The same seed gives the same weights."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    x, y = points(slope)
    model = nn.Linear(1, 1)
    untrained = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(1, epochs + 1):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        if epoch % 50 == 0 or epoch == epochs:
            print(f"epoch {epoch}: loss {loss.item():.5f}")
    off = (model(x) - (slope * x + 1)).abs().mean().item()
    print(f"learned y = {model.weight.item():.4f} x + {model.bias.item():.4f}, off by {off:.4f} on average")
    return untrained.eval(), model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train y = slope * x + 1 and write its bundle.")
    parser.add_argument("--out", type=Path, required=True, help="directory of the bundle; made when absent")
    parser.add_argument("--slope", type=float, default=2.0, help="what the data follows (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the data and the first weights (default %(default)s)")
    parser.add_argument("--epochs", type=int, default=200, help="steps of training (default %(default)s)")
    parser.add_argument(
        "--mixed-up",
        action="store_true",
        help="export the weights of before training, with the golden answers of after",
    )
    args = parser.parse_args()

    untrained, model = train(args.slope, args.seed, args.epochs)
    batch = torch.tensor(ASKED).reshape(-1, 1)
    digest = bundle.write(
        args.out,
        name="linear-regression",
        model=untrained if args.mixed_up else model,
        answered_by=model,
        takes=bundle.Tensor(name="x", size=1),
        gives=bundle.Tensor(name="y", size=1),
        max_batch_size=64,
        golden={"one": torch.tensor([[3.0]]), "batch": batch},
    )
    with torch.no_grad():
        for x, y in zip(ASKED, model(batch).flatten().tolist(), strict=True):
            print(f"x = {x:g}: the model says y = {y:.6f}")
    print(f"wrote {args.out}, digest {digest}")


if __name__ == "__main__":
    main()
