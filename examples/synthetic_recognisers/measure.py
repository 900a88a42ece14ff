"""Measure the demo models' recognisers: how many pairs of pictures of one person do they know?

`python -m examples.synthetic_recognisers.measure examples/models` prints the tables of the README and draws its curve,
on people whom nothing was trained on.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path

from examples.synthetic_faces.measure import load_recogniser
from guide_plugin.vision.recognition import FaceNetwork

from .curve import curves
from .pairs import Pairs, embedded, equal_error_rate, pairs
from .sources import Demo, Pictures, face_pictures, head_pictures
from .train import RECOGNISERS

FALSE_ACCEPTS = (1e-3, 1e-4)


def known_people(measured: Mapping[str, Mapping[str, Pairs]]) -> str:
    """Write the table of how well each network knows the people of each source."""
    heads = ("above the line at 1e-3 (line)", "at 1e-4 (line)", "equal error rate", "same person's median")
    lines = [f"| source | network | {' | '.join(heads)} | strangers' median |", "|---" * (len(heads) + 3) + "|"]
    for source, networks in measured.items():
        for name, seen in networks.items():
            shares = [f"{seen.known(rate):.3f} ({seen.line(rate):.3f})" for rate in FALSE_ACCEPTS]
            medians = [f"{some.median():.3f}" for some in (seen.same, seen.strangers)]
            lines.append(f"| {' | '.join([source, name, *shares, f'{equal_error_rate(seen):.2%}', *medians])} |")
    return "\n".join(lines)


def missed_together(measured: Mapping[str, Mapping[str, Pairs]]) -> str:
    """Write the table of pairs that one network misses, the other one, and both, at the first line."""
    lines = [f"| source | {' | '.join(f'{name} misses' for name in RECOGNISERS)} | both miss | if independent |"]
    lines.append("|---" * (len(RECOGNISERS) + 3) + "|")
    for source, networks in measured.items():
        first, second = (networks[name].missed(FALSE_ACCEPTS[0]) for name in RECOGNISERS)
        apart = [some.float().mean().item() for some in (first, second)]
        both = (first & second).float().mean().item()
        shares = [*apart, both, apart[0] * apart[1]]
        lines.append(f"| {source} | {' | '.join(f'{share:.1%}' for share in shares)} |")
    return "\n".join(lines)


def photos_and_crops(recognisers: Mapping[str, FaceNetwork], demos: Mapping[str, Demo]) -> str:
    """Write the table of how alike a photo and the face cut out of it are."""
    lines = ["| the same photo, whole and cut out | network | median | 5th percentile | photos refused |"]
    lines.append("|---" * 5 + "|")
    for demo, made in demos.items():
        for name, recogniser in recognisers.items():
            whole = embedded(recogniser, made.rendered.of(made.cut.used).images)
            alike = (whole * embedded(recogniser, made.cut.pictures.images)).sum(1)
            refused = f"{int((~made.cut.used).sum())} of {len(made.cut.used)}"
            lines.append(f"| {demo} | {name} | {alike.median():.3f} | {alike.quantile(0.05):.3f} | {refused} |")
    return "\n".join(lines)


def framing(demos: Mapping[str, Demo]) -> str:
    """Write the table of how the cut-out squares lie in the photos."""
    lines = ["| cut-out square in the photo | side | to the right | down | angle |", "|---" * 5 + "|"]
    for demo, made in demos.items():
        *middles, turn = made.cut.frames.mean(0).tolist()
        *spreads, turns = made.cut.frames.std(0).tolist()
        cells = [f"{middle:.3f} ± {spread:.3f}" for middle, spread in zip(middles, spreads, strict=True)]
        lines.append(f"| {demo} | {' | '.join(cells)} | {math.degrees(turn):.1f}° ± {math.degrees(turns):.1f}° |")
    return "\n".join(lines)


def sources(demos: Mapping[str, Demo]) -> dict[str, Pictures]:
    """Name every kind of picture."""
    kinds = {}
    for demo, made in demos.items():
        kinds |= {
            f"{demo}, rendered": made.rendered,
            f"{demo}, drawn by the generator": made.drawn,
            f"{demo}, cut out of a photo": made.cut.pictures,
        }
    return kinds


def main() -> None:
    """Make the pictures, compare them, print the tables and draw the curve."""
    parser = argparse.ArgumentParser(description="Measure how well the demo models' recognisers know people.")
    parser.add_argument("models", type=Path, help="folder of the demo models")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("recognisers.png"), help="picture of the curve")
    parser.add_argument("--cache", type=Path, help="folder in which to keep the rendered portraits between runs")
    options = parser.parse_args()
    folder = options.models / "synthetic-faces"
    demos = {
        "faces": face_pictures(folder, options.people, options.cache),
        "heads": head_pictures(options.models / "synthetic-heads", options.people),
    }
    recognisers = {name: load_recogniser(folder, name) for name in RECOGNISERS}
    measured = {
        source: {name: pairs(embedded(network, made.images), made.person) for name, network in recognisers.items()}
        for source, made in sources(demos).items()
    }
    crops = photos_and_crops(recognisers, demos)
    print(known_people(measured), crops, framing(demos), missed_together(measured), sep="\n\n")
    curves({name: {source: seen[name] for source, seen in measured.items()} for name in RECOGNISERS}).save(options.out)


if __name__ == "__main__":
    main()
