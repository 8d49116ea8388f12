"""Numbers in the text of a page that nothing on the site prints.

A measured number in a sentence has to stand in the code or the outputs of its page, in
one of its tables (which name their benchmark), or on a page that a benchmark writes.
Outputs change; sentences do not.
"""

import re

MEASURED = ("accuracy", "cells", "peers", "performance", "development/defaults_study")

# Two digits or more after the point: a measurement. Others are settings and counts.
NUMBER = re.compile(r"(?<![\w./:])\d*\.\d{2,}(?!\w|\.\d)")
FENCED = re.compile(r"^(`{3,}|:{3,})[^\n]*\n.*?^\1`*\s*$", re.M | re.S)
NO_SENTENCE = re.compile(r"^[|%].*$|\]\([^)]*\)|\[[^\]]*\d{4}[^\]]*\]", re.M)


def unshown_numbers(text, shown):
    """Numbers of the sentences of a page that are not among what is shown, in order.

    `shown` is everything else: outputs, and the text of the pages of benchmarks.
    """
    sentences = NO_SENTENCE.sub(" ", FENCED.sub(" ", text))
    beside = [match.group() for match in FENCED.finditer(text)]
    beside += re.findall(r"^\|.*$", text, re.M)
    there = "\n".join([shown, *beside])
    return [n for n in NUMBER.findall(sentences) if n.removeprefix("0") not in there]
