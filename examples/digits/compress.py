"""Makes an int8 version of what train.py wrote, shows what that costs, and two versions that are not served.

python compress.py --bundle DIR --out DIR-int8 --drifted DIR-drifted
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from train import LABELLED, TRAINED, labels, pixels

from slipway.bundle import directory, pack
from slipway.bundle.shrink import shrink


def drifted(bundle: Path, out: Path) -> str:
    """A copy whose last layer is off, as on a processor whose int8 arithmetic saturates; its digest."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(bundle, out)
    file = out / "1" / "model.onnx"
    model = onnx.load(file)
    scale = next(tensor for tensor in model.graph.initializer if tensor.name.startswith("coefficient2_scale"))
    scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale) * np.float32(0.5), scale.name))
    onnx.save(model, file)
    return directory.seal(out)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make an int8 version of a bundle, and two that are not served.")
    parser.add_argument("--bundle", type=Path, required=True, help="what train.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="directory of the int8 version")
    parser.add_argument("--drifted", type=Path, help="directory of one whose answers are off")
    args = parser.parse_args()
    how = {"to": "int8", "calibration": {"pixels": pixels[TRAINED][:300]}, "replace": True}
    how |= {"labelled": {"pixels": pixels[LABELLED]}, "labels": labels[LABELLED]}

    made = shrink(args.bundle, out=args.out, gate="accuracy drop <= 0.01", **how)
    for name, before, after in [("", "float", "int8"), *made.rows()]:
        print(f"{name:<20}  {before:<10}  {after}".rstrip())
    print(f"wrote {args.out}, digest {made.digest}")
    try:
        shrink(args.bundle, out=args.out.with_name("refused"), gate="neg_log_loss drop <= 0.01", **how)
    except pack.BundleError as error:
        print(f"not packed: {error}")
    if args.drifted:
        print(f"wrote {args.drifted}, digest {drifted(args.out, args.drifted)}: the guard will refuse it")


if __name__ == "__main__":
    main()
