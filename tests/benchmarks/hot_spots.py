"""Where the time of a call goes, by cProfile."""

import cProfile
import pstats
import time
from pathlib import Path


def hot_spots(call, repeats, order, n_lines):
    """Return lines of a table: CPU microseconds a call of what costs most.

    `order` is "tottime" (in the function itself) or "cumtime" (with all it calls). The
    profiler slows calls of Python functions more than it slows what is compiled: shares
    show where to look, not what there is to gain.
    """
    call()
    profile = cProfile.Profile(time.process_time)
    profile.enable()
    for _ in range(repeats):
        call()
    profile.disable()
    stats = pstats.Stats(profile).sort_stats(order)
    lines = ["calls, us inside, us with all it calls"]
    for key in stats.fcn_list[:n_lines]:
        _, calls, inside, total, _ = stats.stats[key]
        us = 1e6 / repeats
        lines.append(
            f"{calls / repeats:8.1f} {inside * us:9.1f} {total * us:9.1f}  {_name(key)}"
        )
    return lines


def _name(key):
    file, line, function = key
    if line == 0:  # a function written in C
        return function
    return f"{'/'.join(Path(file).parts[-2:])}:{line} {function}"
