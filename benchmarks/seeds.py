"""What several seeds in one process could gain at most over one after the other.

    OMP_WAIT_POLICY=passive PYTHONPATH=. .venv/bin/python benchmarks/seeds.py SPLIT

A batch so many times as large does the arithmetic of so many seeds with the calls of one, and moves the weights once in
place of so many times: less than those seeds together would cost, however they were joined. So the time of that many
steps over the time of one large step bounds the gain from above. The two are timed in turns.
"""

import argparse

from flops import clocks, parser_of, save_of_all, steps_of
from measure import spread


def at(options, times: int):
    """Return the options with batches so many times as large."""
    return argparse.Namespace(**vars(options) | {"batch": options.batch * times, "pairs": options.pairs * times})


def bound(backbone: str, options) -> dict:
    """Return the seconds of a step, of the large one, and the times that seeds in one process could be faster."""
    both = [steps_of(backbone, at(options, times)) for times in (1, options.seeds)]
    for steps in both:
        steps()  # the optimizer's state and the kernels are made
    turns = [[clocks(steps) for steps in both] for _ in range(options.turns)]
    names = ("seconds", "cpu_seconds") if options.device == "cpu" else ("seconds",)
    return {
        name: {
            "of_a_step": spread(one[clock] / options.batches for one, _ in turns),
            "of_a_large_step": spread(large[clock] / options.batches for _, large in turns),
            "at_most_times_faster": spread(options.seeds * one[clock] / large[clock] for one, large in turns),
        }
        for clock, name in enumerate(names)
    }


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--name", default="seeds", help="of the result file")
    parser.set_defaults(backbones=["sasrec", "bert4rec", "dreamrec", "biasmf"], length=10, threads=1)
    save_of_all("several seeds in one process, the most that it could gain", parser.parse_args(), bound)


if __name__ == "__main__":
    main()
