# The configuration, the plan made of it, the environment of jobs. No rules here.
import gc
import shutil
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

REPOSITORY = Path(workflow.basedir)
# the packages alone: no file beside the Snakefile hides a module of Python's
others = [path for path in sys.path if Path(path).resolve() != REPOSITORY.resolve()]
sys.path[:] = [str(REPOSITORY / "imports"), *others]

from ptebench.config.read import read
from ptebench.errors import InputError
from ptebench.plan.cells import Cells
from ptebench.plan.command import RUN, environment, job, recorded
from ptebench.provenance import canonical
from ptebench.plan.paths import (
    CELL,
    DATA,
    GRPO,
    HALF_ROUND,
    METRICS,
    ROUND,
    RUNG,
    SPLIT,
    STUDY,
    TABLE,
    TABLES,
    TEMPLATE,
    TRIAL,
    VECTORS,
    WRITING,
    adapter,
    formats,
    sides,
)
from ptebench.plan.raw import DATASET, DESCRIPTION, SIMULATED, SPLIT_FILES, Raw, simulation
from ptebench.plan.reporting import CELL_METRICS, PUBLISHED_STATISTICS, Reporting
from ptebench.plan.texts import Texts
from ptebench.plan.writing import BASE, CHOICE, QUALITY, SPLIT_TEXTS, TEMPLATE_TEXTS, Writing

if strange := set("{}:") & set(str(REPOSITORY)):
    # braces are a pattern to Snakemake, the colon parts the folders of PYTHONPATH
    raise WorkflowError(f"{REPOSITORY}: {min(strange)!r} in the folder of this checkout; rename or move it")

try:
    # the command line's files replace config.yaml, of the working folder or else of the checkout, as a whole: a
    # benchmark is one self-contained grid
    named, own = workflow.config_settings.configfiles, Path("config.yaml")
    files = named or [own if own.exists() else REPOSITORY / "config.yaml"]
    CONFIG = read(files, dict(workflow.config_settings.config))
except InputError as error:
    raise WorkflowError(str(error)) from None

if not named:

    configfile: str(files[0])


# a plan is millions of objects that stay: looking through them for garbage took a tenth of its time
gc.set_threshold(100_000)
raw, cells, texts = Raw(CONFIG), Cells(CONFIG), Texts(CONFIG)
writing, reporting, grid = Writing(CONFIG), Reporting(CONFIG), cells.grid

# the prefix passes through str.format and triggers no rerun
DEPLOYED = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
shell.prefix(environment(REPOSITORY, DEPLOYED, writing.keys).replace("{", "{{").replace("}", "}}"))
# a token is asked for only where a GPU can be: jobs run here, and here is none
HAS_GPU = not (workflow.local_exec and shutil.which("nvidia-smi") is None)


def gpus(wanted):
    """Return a function of the wildcards to how many GPUs a job would use."""
    return lambda wildcards: int(wanted(wildcards)) * HAS_GPU


def one_of(names):
    return "|".join(names) or "none-defined"


wildcard_constraints:
    **{name: r"\d+" for name in ("seed", "round", "shard", "trial", "bracket", "rung", "place")},
    dataset=one_of(CONFIG["datasets"]),
    protocol=one_of(CONFIG["protocols"]),
    language_model=one_of(writing.local),
    encoder=one_of(CONFIG["encoders"]),
    backbone=one_of(CONFIG["backbones"]),
    representation=one_of(CONFIG["representations"]),
    table=one_of(CONFIG["tables"]),
    writer="kd|sft|grpo",
    side="user|item",
    text=r"[a-z0-9_-]+(\.(kd|sft|grpo))?",
    stage="warm|cold",
