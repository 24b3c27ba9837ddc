# The configuration, the plan made of it, the environment of jobs. No rules here.
import gc
import shutil
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

REPOSITORY = Path(workflow.basedir)
# the packages alone: no file beside the Snakefile hides a module of Python's
sys.path[:] = [str(REPOSITORY / "imports"), *(p for p in sys.path if Path(p).resolve() != REPOSITORY.resolve())]

from ptebench.config.read import read
from ptebench.errors import InputError
from ptebench.plan.cells import Cells
from ptebench.plan import code, failures, groups, locks, orphans, recall, signals, submissions
from ptebench.plan.command import RUN, check_folder, environment, render_command, job, recorded
from ptebench.plan.gpus import Gpus
from ptebench.plan.information import Information
from ptebench.plan.paths import (
    CELL,
    DATA,
    GRPO,
    HALF_ROUND,
    INFORMATION,
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
    one_of,
    only,
    sides,
)
from ptebench.plan.raw import DATASET, DESCRIBED, DESCRIPTION, EXPORTS, SIMULATED, SPLIT_FILES, SPLIT_ROWS, Raw
from ptebench.plan.reporting import PAPERS, PUBLISHED_STATISTICS, Reporting
from ptebench.plan.requests import Requests
from ptebench.plan.texts import Texts
from ptebench.plan.terminal import attach
from ptebench.plan.writing import BASE, CHOICE, LESSONS, QUALITY, TEMPLATE_TEXTS, Writing

terminal = attach(workflow)
recall.attach()
try:
    locks.begin(workflow)
    check_folder(REPOSITORY)
    # the command line's files replace config.yaml, of the working folder or else of the checkout, as a whole: a
    # benchmark is one self-contained grid
    named, own = workflow.config_settings.configfiles, Path("config.yaml")
    files = named or [own if own.exists() else REPOSITORY / "config.yaml"]
    changes = dict(workflow.config_settings.config)
    CONFIG = read(files, changes)
    raw, cells, texts = Raw(CONFIG), Cells(CONFIG), Texts(CONFIG)
    for part in (raw, cells, texts):
        part.check_columns()
except InputError as error:
    raise WorkflowError(str(error)) from None

if not named:

    configfile: str(files[0])


# a plan is millions of objects that stay: looking through them for garbage took a tenth of its time
gc.set_threshold(100_000)
reporting = Reporting(CONFIG, render_command(Path(workflow.main_snakefile), named, failures.request(changes)))
writing, grid, information = Writing(CONFIG), cells.grid, Information(CONFIG, cells)

# the prefix passes through str.format and triggers no rerun
DEPLOYED = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
shell.prefix(environment(REPOSITORY, DEPLOYED, writing.keys).replace("{", "{{").replace("}", "}}"))
# jobs that run here ask for GPUs only if this machine has one
gpus = Gpus(cells, texts, writing, lambda: not workflow.local_exec or shutil.which("nvidia-smi") is not None)
requests = Requests.declare(workflow, cells, writing, gpus)


wildcard_constraints:
    **{name: r"\d+" for name in ("seed", "round", "shard", "trial", "bracket", "rung", "place")},
    dataset=one_of(CONFIG["datasets"]),
    protocol=one_of(CONFIG["protocols"]),
    language_model=one_of(writing.local),
    encoder=one_of(CONFIG["encoders"]),
    embedding=one_of(CONFIG["embeddings"]),
    backbone=one_of(CONFIG["backbones"]),
    representation=one_of(CONFIG["representations"]),
    table=one_of(CONFIG["tables"]),
    information=one_of(CONFIG["information"]),
    writer="kd|sft|grpo",
    side="user|item",
    text=r"[a-z0-9_-]+(\.(kd|sft|grpo))?",
    stage="warm|cold",
