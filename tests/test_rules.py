"""The shape of the rules: how long each may be, and what each states."""

import re
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
