# Configuration, names of files, settings of each rule. No rules here.
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

REPOSITORY = Path(workflow.basedir)
sys.path.insert(0, str(REPOSITORY / "workflow_scripts"))

from ptebench import config as configuration
from ptebench.files import InputError
from ptebench.provenance import canonical, code_digest

# Jobs import this checkout and run this interpreter, in local and cluster runs alike. The prefix
# passes through str.format (hence the doubled braces) and triggers no rerun.
shell.prefix(
    f"export PYTHONPATH='{REPOSITORY}:{REPOSITORY}/workflow_scripts':${{{{PYTHONPATH:-}}}};"
    f" export PATH='{Path(sys.executable).parent}':$PATH POLARS_MAX_THREADS=${{{{OMP_NUM_THREADS:-1}}}}"
    " TOKENIZERS_PARALLELISM=false; "
)

try:
    # the command line's files replace config.yaml as a whole: a benchmark is one self-contained grid
    CONFIG = configuration.read(
        workflow.config_settings.configfiles or [REPOSITORY / "config.yaml"], dict(workflow.config_settings.config)
    )
except InputError as error:
    raise WorkflowError(str(error)) from None

DATASETS, PROTOCOLS, TABLES = CONFIG["datasets"], CONFIG["protocols"], CONFIG["tables"]


def one_of(names):
    return "|".join(names) or "none-defined"


wildcard_constraints:
    dataset=one_of(DATASETS),
    protocol=one_of(PROTOCOLS),
    language_model=one_of(CONFIG["language_models"]),
    encoder=one_of(CONFIG["encoders"]),
    backbone=one_of(CONFIG["backbones"]),
    representation=one_of(CONFIG["representations"]),
    table=one_of(TABLES),
    writer="kd|sft|grpo",
    side="user|item",
    text=r"[a-z0-9_-]+(\.(kd|sft|grpo))?",
    seed=r"\d+",
    round=r"\d+",


SPLIT = "results/splits/{dataset}/{protocol}"
CELL = "results/cells/{dataset}/{protocol}/{backbone}/{representation}/seed={seed}"


def cells_of_table(settings):
    """Yield (dataset, protocol, backbone, representation, seed); a counter has one seed."""
    for dataset in settings["datasets"]:
        for protocol in settings["protocols"]:
            for rows in settings["rows"]:
                for backbone in rows["backbones"]:
                    counter = CONFIG["backbones"][backbone]["kind"] in configuration.COUNTERS
                    for representation in rows["representations"]:
                        for seed in CONFIG["seeds"][:1] if counter else CONFIG["seeds"]:
                            yield dataset, protocol, backbone, representation, seed


CELLS = list(dict.fromkeys(cell for table in TABLES.values() for cell in cells_of_table(table)))
PAIRS = list(dict.fromkeys(cell[:2] for cell in CELLS))
BY_BACKBONE = {}
for _cell in CELLS:
    BY_BACKBONE.setdefault(_cell[:3], []).append(_cell[3:])


def cell_folder(cell):
    dataset, protocol, backbone, representation, seed = cell
    return f"results/cells/{dataset}/{protocol}/{backbone}/{representation}/seed={seed}"


def cells_of(dataset, protocol, backbone):
    """Return (representation, seed) of every cell of one backbone that a requested table needs."""
    return BY_BACKBONE.get((dataset, protocol, backbone), [])


def table_files():
    return [f"results/tables/{t}.{kind}" for t in TABLES for kind in ("csv", "md", "tex", "html")]


def more_memory(wildcards, attempt):
    return 4000 * attempt


# ---------------------------------------------------------------- recommenders


def cell_settings(wildcards):
    """Return what a cell is made from: defaults < backbone < the dataset's overrides, representation, seed."""
    override = CONFIG["overrides"].get(wildcards.dataset, {}).get(wildcards.backbone, {})
    return {
        "backbone": {**CONFIG["backbones"][wildcards.backbone], **override},
        "representation": CONFIG["representations"][wildcards.representation],
        "remove_seen": PROTOCOLS[wildcards.protocol]["remove_seen"],
        "seed": int(wildcards.seed),
    }


def cell_spec(wildcards):
    return canonical(cell_settings(wildcards))


def cell_modules(wildcards):
    """Return the modules that a cell loads by name, which the import closure cannot see."""
    settings = cell_settings(wildcards)
    modules = [
        f"ptebench.recommenders.backbones.{settings['backbone']['kind']}",
        f"ptebench.recommenders.representations.{settings['representation']['kind']}",
    ]
    if "loss" in settings["backbone"]:
        modules.append(f"ptebench.recommenders.losses.{settings['backbone']['loss']}")
    return modules


def train_code(wildcards):
    return code_digest("workflow_scripts.train", *cell_modules(wildcards))


def rank_code(wildcards):
    return code_digest("workflow_scripts.rank", *cell_modules(wildcards))


def text_files(wildcards):
    """Return the text vectors that a cell's representation reads: of items, their cards, users."""
    settings = CONFIG["representations"][wildcards.representation]
    counter = CONFIG["backbones"][wildcards.backbone]["kind"] in configuration.COUNTERS
    if "text" not in settings or counter:
        return {}
    base = f"results/embeddings/{wildcards.dataset}/{wildcards.protocol}"
    text, encoder = settings["text"], settings["encoder"]
    files = {"item": f"{base}/{text}/{encoder}/item.safetensors"}
    if text != "card":
        files["user"] = f"{base}/{text}/{encoder}/user.safetensors"
        if settings.get("card"):
            files["card"] = f"{base}/card/{encoder}/item.safetensors"
    return files


def text_arguments(wildcards):
    return " ".join(f"--input {name} {path}" for name, path in text_files(wildcards).items())


def cell_gpu(wildcards):
    return 0 if cell_settings(wildcards)["backbone"].get("device", "cpu") == "cpu" else 1


def statistics_files():
    return [f"results/tables/statistics.{kind}" for kind in ("csv", "md", "tex")]
