"""Where impressions are asked for: one job reads them, the split alone sees them, and only of the protocol that asks."""

import re

from tests.workflow.conftest import snakemake

CONFIG = """
datasets:
  news: {source: simulated, layout: mind, impressions: true}
  bare: {source: simulated, layout: mind}
protocols:
  shown: {kind: snapshot, cut: 2024-01-16, impressions: true}
  plain: {kind: snapshot, cut: 2024-01-16}
backbones:
  popularity:
representations:
  id:
tables:
  t: {title: T, datasets: [news], protocols: [shown, plain], rows: [{backbones: [popularity]}], metrics: [MRR@10]}
  u: {title: U, datasets: [bare], protocols: [plain], rows: [{backbones: [popularity]}], metrics: [MRR@10]}
"""


def test_impressions_reach_the_split_that_asks_for_them_alone(checkout):
    (checkout / "c.yaml").write_text(CONFIG)
    done = snakemake(checkout, "--configfile", "c.yaml", "--dry-run", "-p", "--forceall", "tables")
    assert done.returncode == 0, done.stderr[-2000:]
    readers, makers = [], 0
    for block in re.split(r"\n(?=(?:local)?rule )", done.stdout + done.stderr):
        fields = dict(re.findall(r"^ {4}(input|output|wildcards): (.*)$", block, re.M))
        rule = re.match(r"(?:local)?rule (\w+):", block)
        makers += "impressions.parquet" in fields.get("output", "")
        if rule and "impressions.parquet" in fields.get("input", ""):
            readers.append((rule[1], fields["wildcards"]))
    assert makers == 1 and readers == [("split", "dataset=news, protocol=shown")]
