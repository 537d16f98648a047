"""A network of 10, 20 and 10 neurons learns to give ten numbers back in reverse, and becomes a bundle.

python train.py --out DIR
"""

import argparse
from pathlib import Path

import torch
from torch import nn

from slipway.bundle import pack


def train(seed: int, steps: int) -> nn.Module:
    """Fitted by Adam to the mean squared error. The same seed gives the same weights."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    network = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 10))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.005)
    for step in range(1, steps + 1):
        x = torch.rand(256, 10)
        loss = nn.functional.mse_loss(network(x), x.flip(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 500 == 0:
            print(f"step {step}: loss {loss.item():.6f}")
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a network of 10, 20 and 10 neurons and write its bundle.")
    parser.add_argument("--out", type=Path, required=True, help="directory of the bundle")
    parser.add_argument("--seed", type=int, default=0, help="of the data and the first weights (default %(default)s)")
    parser.add_argument("--steps", type=int, default=2000, help="of training (default %(default)s)")
    args = parser.parse_args()

    network = train(args.seed, args.steps)
    packed = pack.torch(
        network,
        {"x": torch.rand(8, 10)},
        outputs=["y"],
        out=args.out,
        name="mlp",
        replace=True,
        card=pack.Card(title="Ten numbers in reverse", license="apache-2.0", tags=["example"]),
    )
    print(f"wrote {args.out}, digest {packed.digest}")


if __name__ == "__main__":
    main()
