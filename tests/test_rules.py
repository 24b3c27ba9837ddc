"""The shape of the rules: how long each may be, and what each states."""

import json
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

RULES = Path(__file__).resolve().parents[1] / "rules"
STAGES = sorted(set(RULES.glob("*.smk")) - {RULES / "common.smk"})


def rules():
    """Return the lines of every rule, by its first line; of `download` and `resources` no other job reads a file."""
    blocks = {}
    for path in STAGES:
        for text in re.split(r"\n(?= *(?:use )?rule\b.*:\n)", path.read_text())[1:]:
            first = text.splitlines()[0]
            indent = len(first) - len(first.lstrip())
            body = [line for line in text.splitlines()[1:] if line.startswith(" " * (indent + 1))]
            blocks[f"{path.name} {first.strip()}"] = [first, *body]
    left_out = ("data.smk rule download:", "report.smk rule resources:", "use rule")
    return {name: lines for name, lines in blocks.items() if not any(word in name for word in left_out)}


def variants():
    """Return the lines of every rule that says only what it has otherwise than another one."""
    text = "\n".join(path.read_text() for path in STAGES)
    return [block.split("\n\n")[0].splitlines() for block in re.split(r"\n(?=use rule )", text)[1:]]


@pytest.mark.parametrize("name", rules())
def test_a_rule_has_10_to_16_lines_with_log_benchmark_record_and_one_command(name):
    lines = [line.strip() for line in rules()[name]]
    assert 10 <= len(lines) <= 16, len(lines)
    text = "\n".join(lines)
    for part in ("log:\n", "benchmark:\n", "conda:\n", "**job(", "**recorded(", "shell:\nRUN"):
        assert text.count(part) == 1, part


def test_a_variant_of_a_rule_has_16_lines_at_most_with_its_own_log_benchmark_and_record():
    assert variants()
    for lines in variants():
        assert len(lines) <= 16, lines[0]
        text = "\n".join(line.strip() for line in lines)
        for part in ("log:\n", "benchmark:\n", "**recorded("):
            assert text.count(part) == 1, (lines[0], part)


def test_the_rules_of_all_stages_have_550_lines_at_most_and_what_they_share_100():
    assert len(rules()) + len(variants()) >= 33  # none is overlooked
    assert sum(len(path.read_text().splitlines()) for path in STAGES) <= 550
    assert len((RULES / "common.smk").read_text().splitlines()) <= 100


LISTING = """
import json
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import OutputSettings, ResourceSettings
with SnakemakeApi(OutputSettings(dryrun=True)) as api:
    workflow = api.workflow(resource_settings=ResourceSettings(cores=1), snakefile=Path("Snakefile"))._workflow
    print(json.dumps([[rule.name, [*map(str, rule.log), *filter(None, [rule.benchmark])]] for rule in workflow.rules]))
"""
WILDCARD = re.compile(r"\{(\w+),((?:[^{}]|\{[^{}]*\})*)\}")


def samples(pattern):
    """Return paths of a pattern: every value of the wildcards that name few things, one of all others."""
    names = dict(WILDCARD.findall(pattern))
    few = ("side", "writer", "stage")
    values = [
        constraint.split("|") if name in few else
        ["0" if constraint == r"\d+" else "card" if name == "text" else constraint.split("|")[0]]
        for name, constraint in names.items()
    ]  # fmt: skip
    for choice in product(*values):
        chosen = dict(zip(names, choice))
        yield WILDCARD.sub(lambda match, of=chosen: of[match[1]], pattern)


def expression(pattern):
    """Return the regular expression of all paths of a pattern."""
    parts = WILDCARD.split(pattern)
    texts = [
        re.escape(part) if place % 3 == 0 else f"({part})" if place % 3 == 2 else "" for place, part in enumerate(parts)
    ]
    return re.compile("".join(texts))


def test_no_two_rules_write_one_log_or_benchmark():
    done = subprocess.run([sys.executable, "-c", LISTING], cwd=RULES.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    patterns = {pattern: name for name, files in json.loads(done.stdout.splitlines()[-1]) for pattern in files}
    assert len(patterns) > 60 and set(samples("{side,user|item}/{seed,\\d+}.log")) == {"user/0.log", "item/0.log"}
    expressions = {name: [] for name in patterns.values()}
    for pattern, name in patterns.items():
        expressions[name].append(expression(pattern))
    for pattern, name in patterns.items():
        for sample in samples(pattern):
            writers = [n for n, ours in expressions.items() if any(e.fullmatch(sample) for e in ours)]
            assert writers == [name], (sample, writers)
