"""Learns to tell praise from complaints and writes the bundle that answers it.

A text becomes 100 features by hashing: each word adds one to the feature that its CRC-32 picks. The network gives the
probability of each class, complaint first.

    python train.py --out DIR
"""

import argparse
import random
import sys
import zlib
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import bundle

FEATURES = 100
CLASSES = ("complaint", "praise")
NEUTRAL = "the a our and again today yesterday parcel order box service we got an from courier came"
TELLING = (
    "late broken lost wrong damaged missing rude never slow refund dirty torn",
    "great perfect friendly thanks love excellent early helpful happy clean best quick",
)
ASKED = (
    "the parcel came late and the box torn",
    "great service and a friendly courier thanks",
    "again we got a broken order",
    "perfect the box came early today",
)


def features(text: str) -> torch.Tensor:
    """A text as a row of 100 word counts."""
    row = torch.zeros(FEATURES)
    for word in text.lower().split():
        row[zlib.crc32(word.encode()) % FEATURES] += 1
    return row


def texts(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """1,000 made-up texts: five to ten neutral words with two that tell the class."""
    dice = random.Random(seed)
    rows, labels = [], []
    for number in range(1000):
        label = number % len(CLASSES)
        words = dice.choices(NEUTRAL.split(), k=dice.randint(5, 10)) + dice.choices(TELLING[label].split(), k=2)
        rows.append(features(" ".join(words)))
        labels.append(label)
    return torch.stack(rows), torch.tensor(labels)


def train(seed: int) -> nn.Module:
    """A network of one hidden layer, with softmax at its end. The same seed gives the same weights."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    x, labels = texts(seed)
    network = nn.Sequential(nn.Linear(FEATURES, 16), nn.ReLU(), nn.Linear(16, len(CLASSES)))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for epoch in range(1, 101):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x), labels, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        if epoch % 25 == 0:
            right = (network(x).argmax(1) == labels).float().mean().item()
            print(f"epoch {epoch}: loss {loss.item():.5f}, {right:.1%} right")
    return nn.Sequential(network, nn.Softmax(dim=1)).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a text classifier and write its bundle.")
    parser.add_argument("--out", type=Path, required=True, help="directory of the bundle; made when absent")
    parser.add_argument("--seed", type=int, default=0, help="of the data and the first weights (default %(default)s)")
    args = parser.parse_args()

    model = train(args.seed)
    batch = torch.stack([features(text) for text in ASKED])
    digest = bundle.write(
        args.out,
        name="text-classifier",
        model=model,
        answered_by=model,
        takes=bundle.Tensor(name="features", size=FEATURES),
        gives=bundle.Tensor(name="probabilities", size=len(CLASSES)),
        max_batch_size=64,
        golden={"one": batch[:1], "batch": batch},
    )
    with torch.no_grad():
        for text, row in zip(ASKED, model(batch).tolist(), strict=True):
            print(f"{text!r}: " + ", ".join(f"{name} {p:.4f}" for name, p in zip(CLASSES, row, strict=True)))
    print(f"wrote {args.out}, digest {digest}")


if __name__ == "__main__":
    main()
