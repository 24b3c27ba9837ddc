"""A tuning study: deterministic points of a space, one trial each, and the choice among them by validation."""

from ptebench.files import InputError, read_json

# what settings that go wrong raise, where a model is built or trained; the others are faults of the program
FAILURES = (InputError, ArithmeticError, AssertionError, MemoryError, RuntimeError, ValueError)


def reason(error: Exception) -> str:
    """Return in one line why a trial failed."""
    lines = str(error).strip().splitlines()
    message = lines[0] if lines else "no memory is left" if isinstance(error, MemoryError) else "no reason is told"
    return message if isinstance(error, InputError) else f"{type(error).__name__}: {message}"


def point(space: dict, trial: int, seed: int) -> dict:
    """Return the settings of one trial, as backbone and representation -> key -> value.

    `space` has the same two parts; an axis is a list of choices or a mapping with `low`, `high` and `log`. Trial 0 is
    the configuration's own settings, the others are points of a scrambled Sobol sequence (Sobol 1967; Owen 1998), so
    that a larger budget adds points and moves none.
    """
    if trial == 0:
        return {part: {} for part in space}
    from scipy.stats import qmc  # as long to import as torch; every cell reads this module and most have no study

    axes = [(part, key) for part in sorted(space) for key in sorted(space[part])]
    engine = qmc.Sobol(len(axes), scramble=True, rng=seed)
    engine.fast_forward(trial)
    result: dict[str, dict] = {part: {} for part in space}
    for (part, key), share in zip(axes, engine.random(1)[0], strict=True):
        result[part][key] = _value(space[part][key], float(share))
    return result


def _value(axis, share: float):
    if isinstance(axis, list):
        return axis[int(share * len(axis))]
    low, high = axis["low"], axis["high"]
    whole = isinstance(low, int) and isinstance(high, int)
    end = high + 1 if whole else high
    value = low * (end / low) ** share if axis["log"] else low + share * (end - low)
    # four digits repeat exactly and can be quoted
    return min(int(value), high) if whole else float(f"{value:.4g}")


def lay(spec: dict, settings: dict) -> dict:
    """Return a cell's settings, updated by those of a trial."""
    return {**spec, **{part: {**spec[part], **values} for part, values in settings.items()}}


def settle(job) -> dict:
    """Return a cell's settings, updated by those of the best trial where the cell has a tuning study."""
    path = job.input("tuned")
    return job.spec if path is None else lay(job.spec, read_json(path))


def choose(trials: list[dict], where) -> dict:
    """Return the trial with the highest validation value, the first of equals; raise InputError when all failed."""
    successes = [trial for trial in trials if trial["value"] is not None]
    if not successes:
        raise InputError(f"{where}: every trial failed, the first with: {trials[0]['failure']}; narrow tuning's space")
    return max(successes, key=lambda trial: trial["value"])
