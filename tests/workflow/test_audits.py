"""Audits are made on request, beside what the tables need."""

from tests.workflow.conftest import planned, snakemake


def test_the_report_the_crate_and_the_audit_of_published_tables_are_one_job_each_after_a_run(finished):
    assert planned(finished, "report", "crate", "audit_published") == {"report": 1, "crate": 1, "audit_published": 1}


def test_snakemakes_own_report_has_tables_and_drawings_with_captions(checkout):
    done = snakemake(checkout, "--report", "report.html", stub=False)
    assert done.returncode == 0, done.stderr[-2000:]
    text = (checkout / "report.html").read_text()
    for words in ("cold_start.html", "distributions/shop.svg", "Popularity of items", "half of the 95 % interval"):
        assert words in text, words


def test_an_audit_needs_a_finished_run_and_a_second_encoder(checkout):
    assert planned(checkout, "audits") == {"embed": 2, "audit_grpo": 4, "audits": 1}
    config = checkout / "config.yaml"
    config.write_text(config.read_text().replace("  lsa:\n", ""))
    assert planned(checkout) == {}
    refused = snakemake(checkout, "--dry-run", "audits")
    assert refused.returncode and "an audit needs a second one" in refused.stdout + refused.stderr
