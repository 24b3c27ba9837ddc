"""Configurations that tests of several floors start from."""

from pathlib import Path

import yaml

from ptebench.config.read import resolve

REPOSITORY = Path(__file__).resolve().parents[1]


def configuration(**changes):
    """Return the demo's configuration with two seeds, a second backbone on pairs and no analysis, sections changed.

    Changes of `language_models` are settings of its one model; those of `datasets` are further entries; those of other
    sections stand in the place of the section.
    """
    demo = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    demo["seeds"], demo["information"] = [0, 1], {}
    demo["backbones"]["biasmf"] = {"dimension": 32, "device": "cpu"}
    demo["tables"]["snapshot"]["rows"].append({"backbones": ["biasmf"], "representations": ["id", "pte"]})
    demo["language_models"]["embedded"] |= {"max_rounds": 2} | changes.pop("language_models", {})
    demo["datasets"] |= changes.pop("datasets", {})
    if "encoders" in changes:  # what names another encoder goes
        demo["language_models"]["embedded"]["encoder"] = next(iter(changes["encoders"]))
        readers = [s for s in demo["representations"].values() if s and s.get("text") not in demo["embeddings"]]
        for settings in readers + list(demo["embeddings"].values()):
            if settings and ("text" in settings or "encoder" in settings):
                settings["encoder"] = next(iter(changes["encoders"]))
    return resolve(demo | changes, "test")
