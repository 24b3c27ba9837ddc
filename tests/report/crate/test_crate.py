"""A crate holds what the profile requires, digests that are true, and models that load as they lie."""

import json
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from rocrate.rocrate import ROCrate
from safetensors.numpy import save_file

from ptebench.errors import InputError
from ptebench.files import read_json, write_json
from ptebench.provenance import file_digest
from ptebench.report.crate.crate import write_crate
from ptebench.report.site.results import Results
from tests.conftest import REPOSITORY
from tests.report.site import world

PROFILES = "results/profiles/shop/cold/small"
VECTORS = "results/embeddings/shop/cold/small.grpo/lsa/item.safetensors"
ALIGNED = "results/embeddings/shop/cold/aligned/item.safetensors"
CONFIGURATION = {"datasets": {"shop": {"source": "table"}}}


def teach():
    """Write a base model, its adapter that wrote the items' profiles, and item vectors that a cell read."""
    import peft
    import tokenizers
    import transformers

    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="b")
    settings = transformers.LlamaConfig(
        vocab_size=2, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(settings)
    model.save_pretrained(f"{PROFILES}/base")
    fast.save_pretrained(f"{PROFILES}/base")
    train = "results/splits/shop/cold/train.parquet"
    made = [str(path) for path in Path(f"{PROFILES}/base").iterdir()]
    world.note("language_model", [train], made, f"{PROFILES}/base/provenance.json")
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=1, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    adapted.peft_config["default"].base_model_name_or_path = f"{PROFILES}/base"
    adapted.save_pretrained(f"{PROFILES}/grpo/item")
    Path(f"{PROFILES}/grpo/item/README.md").unlink()
    adapter = [f"{PROFILES}/grpo/item/{name}" for name in ("adapter_model.safetensors", "adapter_config.json")]
    world.note("grpo", [f"{PROFILES}/base/model.safetensors"], adapter, f"{PROFILES}/grpo/item/provenance.json")
    read(f"{PROFILES}/grpo/item.provenance.json", *adapter)
    for path in (VECTORS, ALIGNED):
        Path(path).parent.mkdir(parents=True)
    vectors = np.random.default_rng(0).random((world.ITEM_NUMBER + 1, 4), dtype=np.float32)
    vectors[0] = 0
    save_file({"vectors": vectors}, VECTORS)
    world.note("embed", [f"{PROFILES}/grpo/item.parquet"], [VECTORS], VECTORS.replace("safetensors", "provenance.json"))
    save_file({"vectors": vectors}, ALIGNED)
    world.note(
        "align",
        ["results/splits/shop/cold/train.parquet"],
        [ALIGNED],
        ALIGNED.replace("safetensors", "provenance.json"),
    )
    read("results/cells/shop/cold/sasrec/pte/seed=0/provenance.json", VECTORS, ALIGNED)
    return vectors


def read(record, *paths):
    """Have a job read further files."""
    content = read_json(record)
    content["inputs"] |= {path: file_digest(Path(path)) for path in paths}
    write_json(content, record)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    world.build(root, REPOSITORY / "ptebench/report/published.csv")
    with world.inside(root):
        vectors = teach()
        write_crate(Results.read(root, ["shop"], world.SETTINGS), CONFIGURATION, root / "results/crate")
    return root, root / "results/crate", vectors


@pytest.fixture(scope="module")
def graph(made):
    return {entity["@id"]: entity for entity in json.loads((made[1] / "ro-crate-metadata.json").read_text())["@graph"]}


def listed(value):
    return value if isinstance(value, list) else [value]


def of_type(graph, kind):
    return [entity for entity in graph.values() if kind in listed(entity["@type"])]


def test_what_the_profile_requires_is_there(made, graph):
    assert ROCrate(made[1]).mainEntity.id == "Snakefile"
    root = graph["./"]
    assert {"https://w3id.org/ro/wfrun/process/0.5", "https://w3id.org/ro/wfrun/workflow/0.5",
            "https://w3id.org/workflowhub/workflow-ro-crate/1.0"} == {one["@id"] for one in root["conformsTo"]}  # fmt: skip
    for one in root["conformsTo"]:
        assert graph[one["@id"]]["@type"] == "CreativeWork" and graph[one["@id"]]["version"]
    assert all(root[key] for key in ("name", "description", "license", "datePublished", "author"))
    workflow = graph[root["mainEntity"]["@id"]]
    assert {"File", "SoftwareSourceCode", "ComputationalWorkflow"} <= set(workflow["@type"])
    assert graph[workflow["programmingLanguage"]["@id"]]["name"] == "Snakemake"
    run = graph["#run"]
    assert run["instrument"]["@id"] == "Snakefile" and run["startTime"] < run["endTime"]
    assert {"@id": "#run"} in root["mentions"]
    assert {"@id": "results/tables/shop.csv"} in run["result"] and {"@id": "#raw/shop.csv"} in run["object"]


def test_every_job_has_an_action_with_its_script_and_its_files(made, graph):
    actions = {action["@id"]: action for action in of_type(graph, "CreateAction")}
    for seed in (0, 1):
        action = actions[f"#results/cells/shop/cold/sasrec/pte/seed={seed}/provenance.json"]
        assert action["instrument"]["@id"] == "workflow_scripts/train.py"
        assert {"@id": f"#{PROFILES}/grpo/item.parquet"} in listed(action["object"])
    assert len(actions) == len(list((made[1] / "results").rglob("*provenance.json"))) + 1


def test_no_reference_dangles_and_every_file_is_there_with_its_digest(made, graph):
    def references(value):
        if isinstance(value, dict):
            yield value["@id"]
        elif isinstance(value, list):
            for one in value:
                yield from references(one)

    for entity in graph.values():
        for key, value in entity.items():
            for reference in references(value) if key not in ("@id", "@type", "conformsTo") else ():
                assert reference in graph or key in ("identifier", "url"), (entity["@id"], key, reference)
    for entity in of_type(graph, "File"):
        path = made[1] / unquote(entity["@id"])
        assert path.is_file(), entity["@id"]
        assert "sha256" not in entity or entity["sha256"] == file_digest(path)
    known = {unquote(identity) for identity in graph}
    files = {path.relative_to(made[1]).as_posix() for path in made[1].rglob("*") if path.is_file()}
    assert {name for name in files if not name.startswith("hub/")} == {name for name in known if name in files}


def test_configuration_and_no_raw_data_travel(made):
    assert read_json(made[1] / "configuration.json") == CONFIGURATION
    assert not list(made[1].rglob("*.parquet")) and not (made[1] / "raw").exists()


def test_an_adapter_loads_by_peft_as_it_lies(made, monkeypatch):
    from peft import AutoPeftModelForCausalLM

    monkeypatch.chdir(made[1] / "hub")
    model = AutoPeftModelForCausalLM.from_pretrained("shop-cold-small-grpo-item")
    assert "lora" in "".join(name for name, _ in model.named_parameters())
    card = Path("shop-cold-small-grpo-item/README.md").read_text()
    assert card.startswith('---\nlibrary_name: "peft"\nbase_model: "shop-cold-small-base"\n') and "`grpo`" in card


@pytest.mark.parametrize("name, words", [("small.grpo-lsa", "by the encoder `lsa`"), ("aligned", "learned from texts")])
def test_item_vectors_load_by_sentence_transformers_as_they_lie(made, name, words):
    from sentence_transformers import SentenceTransformer

    folder = made[1] / f"hub/shop-cold-{name}-item"
    assert words in (folder / "README.md").read_text()
    model = SentenceTransformer(str(folder), device="cpu")
    assert np.array_equal(model.encode(["i1", "i40", "nobody"]), made[2][[1, 40, 0]])


def test_vectors_of_another_vocabulary_are_refused_and_leave_the_former_crate(made, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(made[0], root)
    with world.inside(root):
        save_file({"vectors": np.zeros((3, 4), np.float32)}, VECTORS)
        with pytest.raises(InputError, match="3 rows for 40 items"):
            write_crate(Results.read(root, ["shop"], world.SETTINGS), CONFIGURATION, root / "results/crate")
        assert (root / "results/crate/ro-crate-metadata.json").exists()
