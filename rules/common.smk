# Configuration, names of files, settings of each rule. No rules here.
import json
import os
import shlex
import shutil
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import contains_wildcard
from snakemake.settings.types import DeploymentMethod

REPOSITORY = Path(workflow.basedir)
sys.path.insert(0, str(REPOSITORY))
if strange := set("{}:") & set(str(REPOSITORY)):
    # braces are a pattern to Snakemake, the colon parts the folders of PYTHONPATH
    raise WorkflowError(f"{REPOSITORY}: {min(strange)!r} in the folder of this checkout; rename or move it")

from ptebench.config.cells import reader, text_label, text_sides
from ptebench.config.counters import COUNTERS
from ptebench.config.read import read as read_configuration
from ptebench.data.downloads import advice, find
from ptebench.files import InputError
from ptebench.provenance import canonical, code_digest
from ptebench.recommenders.halving import places

try:
    # the command line's files replace config.yaml, of the working folder or else of the checkout, as a whole: a
    # benchmark is one self-contained grid
    named, own = workflow.config_settings.configfiles, Path("config.yaml")
    files = named or [own if own.exists() else REPOSITORY / "config.yaml"]
    CONFIG = read_configuration(files, dict(workflow.config_settings.config))
except InputError as error:
    raise WorkflowError(str(error)) from None

if not named:

    configfile: str(files[0])


DATASETS, PROTOCOLS, TABLES = CONFIG["datasets"], CONFIG["protocols"], CONFIG["tables"]
LANGUAGE_MODELS = CONFIG["language_models"]
ENDPOINTS = [name for name, settings in LANGUAGE_MODELS.items() if "endpoint" in settings]
TAUGHT = [name for name, settings in LANGUAGE_MODELS.items() if settings.get("teacher") in ENDPOINTS]
KEYS = " ".join(f"{n}={v}" for n in ENDPOINTS if (v := LANGUAGE_MODELS[n]["key_variable"]))


def import_path():
    """Return the folders that jobs import from: this checkout, then PYTHONPATH's but for the working folder.

    A deployed environment has packages of its own, which those of PYTHONPATH would hide.
    """
    others = [] if DEPLOYED else os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join([str(REPOSITORY), *(p for p in others if p and Path(p).resolve() != Path.cwd())])


def whole(path):
    """Return the path of a file that exists before any job; raise WorkflowError where Snakemake would see a wildcard."""
    if contains_wildcard(path):
        raise WorkflowError(f"{path}: Snakemake takes what stands in braces for a wildcard; rename the file or folder")
    return path


# Jobs import this checkout, and run this interpreter where no environment is deployed, in local and cluster runs
# alike. The prefix passes through str.format and triggers no rerun.
DEPLOYED = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
PREFIX = (
    # nor does a job import what lies in the folder that it runs in
    f"export PYTHONPATH={shlex.quote(import_path())} PYTHONSAFEPATH=1"
    + ("" if DEPLOYED else f' PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    + " POLARS_MAX_THREADS=${OMP_NUM_THREADS:-1}"
    # threads that wait must not spin: they would take the cores of other jobs
    " TOKENIZERS_PARALLELISM=false OMP_WAIT_POLICY=passive"
    # freed memory stays with the job (glibc): to get it back page by page took up to a quarter of a training step
    " MALLOC_MMAP_THRESHOLD_=1000000000 MALLOC_TRIM_THRESHOLD_=2000000000"
    # which variable holds the key of which endpoint: no setting, the answers are the same
    f" PTEBENCH_KEYS={shlex.quote(KEYS)}; "
)
shell.prefix(PREFIX.replace("{", "{{").replace("}", "}}"))


def one_of(names):
    return "|".join(names) or "none-defined"


wildcard_constraints:
    dataset=one_of(DATASETS),
    protocol=one_of(PROTOCOLS),
    language_model=one_of([name for name in LANGUAGE_MODELS if name not in ENDPOINTS]),
    encoder=one_of(CONFIG["encoders"]),
    backbone=one_of(CONFIG["backbones"]),
    representation=one_of(CONFIG["representations"]),
    table=one_of(TABLES),
    writer="kd|sft|grpo",
    side="user|item",
    text=r"[a-z0-9_-]+(\.(kd|sft|grpo))?",
    seed=r"\d+",
    round=r"\d+",
    stage="warm|cold",
    shard=r"\d+",
    trial=r"\d+",
    bracket=r"\d+",
    rung=r"\d+",
    place=r"\d+",


SPLIT = "results/splits/{dataset}/{protocol}"
STUDY = "results/tuning/{dataset}/{protocol}/{backbone}/{representation}"
RUNG = f"{STUDY}/bracket={{bracket}}/rung={{rung}}/place={{place}}"
CELL = "results/cells/{dataset}/{protocol}/{backbone}/{representation}/seed={seed}"


def cells_of_table(settings):
    """Yield (dataset, protocol, backbone, representation, seed), one of two blocks twice; a counter has one seed."""
    for dataset in settings["datasets"]:
        for protocol in settings["protocols"]:
            for rows in settings["rows"]:
                for backbone in rows["backbones"]:
                    counter = CONFIG["backbones"][backbone]["kind"] in COUNTERS
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


def of_tables(files):
    """Return files that tables need; raise WorkflowError where there are none."""
    if not files:
        raise WorkflowError("no table is asked for; define one under 'tables', or select others by --config")
    return files


def csv_of_tables(wildcards):
    return of_tables([f"results/tables/{t}.csv" for t in TABLES])


def statistics_of_datasets(wildcards):
    return of_tables([f"results/data/{d}/statistics.csv" for d in dict.fromkeys(d for d, _ in PAIRS)])


def more_memory(wildcards, attempt):
    return 4000 * attempt


def gpus(wanted):
    """Return 1, the token of a job that would use a GPU; 0 where it would find none: jobs run here, and here is none."""
    return int(wanted and not (workflow.local_exec and shutil.which("nvidia-smi") is None))


# ---------------------------------------------------------------- recommenders


def cell_settings(wildcards):
    """Return what a cell is made from: defaults < backbone < the dataset's overrides, representation, seed.

    Of a cell that is tuned, the winner's settings come on top, from a file, when the job runs.
    """
    overrides = CONFIG["overrides"].get(wildcards.dataset, {})
    backbone = dict(CONFIG["backbones"][wildcards.backbone])
    for key in (wildcards.backbone, f"{wildcards.backbone}.{wildcards.representation}"):
        backbone |= overrides.get(key, {})
    return {
        "backbone": backbone,
        "representation": CONFIG["representations"][wildcards.representation],
        "remove_seen": PROTOCOLS[wildcards.protocol]["remove_seen"],
        "seed": int(wildcards.get("seed", CONFIG["tuning"]["seed"])),
    }


def cell_spec(wildcards):
    return canonical(cell_settings(wildcards))


def tuning_space(wildcards):
    """Return the axes along which a cell's settings are tuned, by part."""
    counter = CONFIG["backbones"][wildcards.backbone]["kind"] in COUNTERS
    spaces = CONFIG["tuning"]
    return {
        "backbone": spaces["backbones"].get(wildcards.backbone, {}),
        "representation": {} if counter else spaces["representations"].get(wildcards.representation, {}),
    }


def trial_settings(wildcards, first):
    """Return what a trial is made from: the cell's settings, or where it is not the first, those that its point keeps.

    So that a trial does not depend on what the configuration says in the place of its own values.
    """
    settings, space = cell_settings(wildcards), tuning_space(wildcards)
    if not first:
        for part, axes in space.items():
            settings[part] = {key: value for key, value in settings[part].items() if key not in axes}
    return {**settings, "space": space}


def trial_spec(wildcards):
    trial = int(wildcards.trial)
    return canonical({**trial_settings(wildcards, trial == 0), "trial": trial})


def trial_code(wildcards):
    return code_digest("workflow_scripts.trial", *cell_modules(wildcards))


def trials(wildcards):
    """Return the records of a study: one of every trial, or with halving one of every rung that it trains in."""
    if not any(tuning_space(wildcards).values()):
        names = f"{wildcards.backbone} with {wildcards.representation}"
        raise WorkflowError(f"nothing of {names} is tuned; give one of the two axes under 'tuning'")
    budget, halving = CONFIG["tuning"]["budget"], CONFIG["tuning"]["halving"]
    counter = CONFIG["backbones"][wildcards.backbone]["kind"] in COUNTERS
    if halving is None or counter:  # a counter has no epochs
        return [f"{filled(STUDY, wildcards)}/trial={k}/trial.json" for k in range(budget)]
    brackets, rungs = range(budget // places(halving, 0)), range(halving["rungs"])
    return [file for bracket in brackets for rung in rungs for file in rung_files(wildcards, bracket, rung)]


def rung_files(wildcards, bracket, rung):
    folder = f"{filled(STUDY, wildcards)}/bracket={bracket}/rung={rung}"
    return [f"{folder}/place={k}/trial.json" for k in range(places(CONFIG["tuning"]["halving"], rung))]


def before_rung(wildcards):
    """Return the records of a bracket's previous rung; the first one has none."""
    rung = int(wildcards.rung)
    return rung_files(wildcards, wildcards.bracket, rung - 1) if rung else []


def rung_spec(wildcards):
    place = {key: int(wildcards[key]) for key in ("bracket", "rung", "place")}
    first = place["bracket"] == 0 and (place["rung"] > 0 or place["place"] == 0)
    return canonical({**trial_settings(wildcards, first), "halving": CONFIG["tuning"]["halving"], **place})


def rung_code(wildcards):
    return code_digest("workflow_scripts.rung", *cell_modules(wildcards))


def cell_files(wildcards):
    """Return what a cell reads beside its split: text vectors, and the settings that tuning chose."""
    files = text_files(wildcards)
    if any(tuning_space(wildcards).values()):
        files["tuned"] = f"{filled(STUDY, wildcards)}/best.json"
    return files


def cell_arguments(wildcards):
    return named_arguments(cell_files(wildcards))


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
    """Return the text vectors that a cell reads: of items, their cards, users."""
    cell = cell_settings(wildcards)
    read = cell["backbone"], cell["representation"]
    base, settings = f"results/embeddings/{wildcards.dataset}/{wildcards.protocol}", reader(*read)
    files = {}
    for side in text_sides(*read):
        text = "card" if side == "card" else settings["text"]
        name = "user" if side == "user" else "item"
        files[side] = f"{base}/{text}/{settings['encoder']}/{name}.safetensors"
    return files


def text_arguments(wildcards):
    return named_arguments(text_files(wildcards))


def cell_gpu(wildcards):
    return gpus(cell_settings(wildcards)["backbone"].get("device", "cpu") != "cpu")


def statistics_files():
    """Return the table of statistics and a drawing of every dataset."""
    table = [f"results/tables/statistics.{kind}" for kind in ("csv", "md", "tex")]
    return table + [f"results/tables/distributions/{d}.svg" for d in dict.fromkeys(d for d, _ in PAIRS)]


# -------------------------------------------------------------------- profiles

WRITING = "results/profiles/{dataset}/{protocol}/{language_model}"
WRITERS = {"kd": "rounds/0", "sft": "best", "grpo": "grpo"}  # and where the adapter of each is
SPLIT_TEXTS = {
    "train": f"{SPLIT}/train.parquet",
    "vocabulary": f"{SPLIT}/vocabulary.parquet",
    "item_texts": "results/data/{dataset}/items.parquet",
}


def filled(pattern, wildcards):
    """Return a path with the wildcards of a language model's rules filled in."""
    return pattern.format(**{k: v for k, v in wildcards.items()})


def named_arguments(files):
    """Return the command line's part that names input files, one or a list under each name."""
    words = []
    for name, paths in files.items():
        words += ["--input", name, *([paths] if isinstance(paths, str) else paths)]
    return shlex.join(words)


def writing_spec(*keys):
    """Return a function of the wildcards to a language model's settings under `keys`, and where in the chain a job is."""

    def spec(wildcards):
        settings = LANGUAGE_MODELS[wildcards.language_model]
        chosen = {key: settings[key] for key in keys if key in settings}
        if "examples" in keys:
            chosen["examples"] = settings["tuning"]["examples"]
        if "encoder" in keys:
            chosen["encoder"] = CONFIG["encoders"][settings["encoder"]]
        if "encoders" in keys:
            names = (settings["encoder"], second_encoder(wildcards))
            chosen["encoders"] = [(name, CONFIG["encoders"][name]) for name in names]
        if "endpoint" in keys:
            name = wildcards.language_model if wildcards.language_model in ENDPOINTS else settings["teacher"]
            chosen["endpoint"] = asking(name)
        place = {key: wildcards[key] for key in ("side", "writer") if key in wildcards.keys()}
        if "round" in wildcards.keys():
            place["round"] = int(wildcards["round"])
        return canonical({**chosen, **place})

    return spec


written_spec = writing_spec(
    "seed", "context", "history", "neighbours", "new_tokens", "write_batch", "model", "revision", "template_arguments"
)


def asking(name):
    """Return the settings with which an endpoint is asked."""
    keys = ("endpoint", "model", "temperature", "seed", "request", "new_tokens", "concurrency")
    return {"name": name, **{key: LANGUAGE_MODELS[name][key] for key in keys}}


def writing_gpu(wildcards):
    return gpus(LANGUAGE_MODELS[wildcards.language_model]["model"] != "embedded")


def tuning_gpus(wildcards):
    return writing_gpu(wildcards) * LANGUAGE_MODELS[wildcards.language_model]["processes"]


def card_vectors(wildcards):
    encoder = LANGUAGE_MODELS[wildcards.language_model]["encoder"]
    return f"results/embeddings/{wildcards.dataset}/{wildcards.protocol}/card/{encoder}/item.safetensors"


def second_encoder(wildcards):
    """Return the first encoder of the configuration that has no part in the reward, for the audit."""
    trained = LANGUAGE_MODELS[wildcards.language_model]["encoder"]
    for name, settings in CONFIG["encoders"].items():
        if settings != CONFIG["encoders"][trained]:
            return name
    raise WorkflowError(f"audits: 'encoders' defines {trained!r} alone; an audit needs a second one, such as 'lsa:'")


def second_card_vectors(wildcards):
    base = f"results/embeddings/{wildcards.dataset}/{wildcards.protocol}"
    return f"{base}/card/{second_encoder(wildcards)}/item.safetensors"


def base_model(wildcards):
    """Return the embedded model's file; a hub id or local path is a setting, not an input."""
    if LANGUAGE_MODELS[wildcards.language_model]["model"] != "embedded":
        return {}
    return {"base": f"{filled(WRITING, wildcards)}/base/model.safetensors"}


def base_model_argument(wildcards):
    return named_arguments(base_model(wildcards))


def teacher_files(wildcards):
    """Return the teacher's profiles by side, supplied or from an endpoint."""
    teacher = LANGUAGE_MODELS[wildcards.language_model]["teacher"]
    if teacher == "template":
        return {}
    if teacher in ENDPOINTS:
        return {f"teacher_{side}": f"{filled(WRITING, wildcards)}/teacher/{side}.jsonl" for side in ("user", "item")}
    files = {side: whole(str(Path(CONFIG["data_root"]) / path)) for side, path in teacher.items()}
    for side, path in files.items():
        if not os.path.isfile(path):
            place = f"language_models.{wildcards.language_model}.teacher.{side}"
            raise WorkflowError(f"{place}: {path}: no such file; check the path and data_root")
    return {f"teacher_{side}": path for side, path in files.items()}


def teacher_arguments(wildcards):
    return named_arguments(teacher_files(wildcards))


def before_half_round(wildcards):
    """Return what a half-round continues: the adapter and profiles of the one before, and of its side a round ago.

    Where the round before was refused, it goes back to what that one had continued.
    """
    rounds, number = f"{filled(WRITING, wildcards)}/rounds", int(wildcards.round)
    item = wildcards.side == "item"
    if item or number:
        before = f"{rounds}/{number}/user" if item else f"{rounds}/{number - 1}/item"
        files = {
            "adapter": f"{before}/adapter_model.safetensors",
            "adapter_config": f"{before}/adapter_config.json",
            "evidence": f"{before}/profiles.parquet",
        }
    else:
        files = {}
    if number:
        earlier = f"{rounds}/{number - 1}/{wildcards.side}"
        files |= {
            "earlier_adapter": f"{earlier}/adapter_model.safetensors",
            "earlier_adapter_config": f"{earlier}/adapter_config.json",
            "earlier_profiles": f"{earlier}/profiles.parquet",
            "probe": f"{rounds}/{number - 1}/probe.json",
        }
    if number > 1:
        retreat = f"{rounds}/{number - 2}/item"
        files["retreat_profiles"] = f"{retreat}/profiles.parquet"
        if not item:
            files["retreat_adapter"] = f"{retreat}/adapter_model.safetensors"
            files["retreat_adapter_config"] = f"{retreat}/adapter_config.json"
    return files


def before_half_round_arguments(wildcards):
    return named_arguments({**base_model(wildcards), **before_half_round(wildcards)})


def before_probe(wildcards):
    """Return the previous round's probe, and the profiles of the two rounds that this one may have continued."""
    rounds, number = f"{filled(WRITING, wildcards)}/rounds", int(wildcards.round)
    files = {"earlier_probe": f"{rounds}/{number - 1}/probe.json"} if number else {}
    for name, back in (("earlier", number - 1), ("retreat", number - 2)):
        if back >= 0:
            files |= {
                f"{name}_{side}_profiles": f"{rounds}/{back}/{side}/profiles.parquet" for side in ("user", "item")
            }
    if LANGUAGE_MODELS[wildcards.language_model]["collaborative"]:
        # whether the model knows what people would choose is asked of the model itself
        adapter = f"{rounds}/{number}/user/adapter"
        files |= {"user_adapter": f"{adapter}_model.safetensors", "user_adapter_config": f"{adapter}_config.json"}
        files |= base_model(wildcards)
    return files


def probe_gpu(wildcards):
    """Return the GPU of a probe: only one that asks the language model needs one."""
    settings = LANGUAGE_MODELS[wildcards.language_model]
    return gpus(settings["model"] != "embedded" and settings["collaborative"] > 0)


def before_probe_arguments(wildcards):
    return named_arguments(before_probe(wildcards))


def of_rounds(file):
    """Return a function of the wildcards to one file of every round, distillation first."""

    def files(wildcards):
        last = LANGUAGE_MODELS[wildcards.language_model]["max_rounds"]
        return [f"{filled(WRITING, wildcards)}/rounds/{number}/{file}" for number in range(last + 1)]

    return files


def best_evidence(wildcards):
    shown = {"user": "audiences", "item": "readers"}[wildcards.side]
    return f"{filled(WRITING, wildcards)}/best/{shown}.parquet"


def of_writer(wildcards):
    """Return the adapter of a writer and the profiles that its prompts show."""
    base = filled(WRITING, wildcards)
    folder = WRITERS[wildcards.writer]
    files = {
        "adapter": f"{base}/{folder}/{wildcards.side}/adapter_model.safetensors",
        "adapter_config": f"{base}/{folder}/{wildcards.side}/adapter_config.json",
    }
    if wildcards.side == "item":  # the readers of every item, as the same writer describes them
        files["evidence"] = f"{base}/{wildcards.writer}/user.parquet"
    elif wildcards.writer != "kd":
        files["evidence"] = best_evidence(wildcards)
    return files


def shard_files(wildcards, stages):
    """Return the files of the shards of a side; a side that is written by one job has none."""
    count = LANGUAGE_MODELS[wildcards.language_model]["shards"]
    folder = f"{filled(WRITING, wildcards)}/{wildcards.writer}/shards"
    return [f"{folder}/{wildcards.side}.{s}.{k}.jsonl" for s in stages for k in range(count) if count > 1]


def shards_before(wildcards):
    """Return what a shard of cold items reads: what was written of the warm ones."""
    return shard_files(wildcards, ("warm",) if wildcards.stage == "cold" else ())


def shards_of_side(wildcards):
    return shard_files(wildcards, ("warm", "cold") if wildcards.side == "item" else ("warm",))


def shard_spec(wildcards):
    count = LANGUAGE_MODELS[wildcards.language_model]["shards"]
    place = {"stage": wildcards.stage, "shard": int(wildcards.shard), "shards": count}
    return canonical({**json.loads(written_spec(wildcards)), **place})


def of_endpoint(wildcards):
    """Return what the prompts of items show: their readers, as the endpoint describes them."""
    return {"evidence": f"{filled(WRITING, wildcards)}/user.parquet"} if wildcards.side == "item" else {}


def of_endpoint_arguments(wildcards):
    return named_arguments(of_endpoint(wildcards))


def of_writer_arguments(wildcards):
    return named_arguments({**base_model(wildcards), **of_writer(wildcards)})


def profile_files():
    """Return the profiles that the requested cells read."""
    files = set()
    for dataset, protocol, *names, _ in CELLS:
        cell = [CONFIG[section][name] for section, name in zip(("backbones", "representations"), names)]
        settings = reader(*cell)
        if settings and settings["text"] != "card":
            folder = f"results/profiles/{dataset}/{protocol}/{settings['text'].replace('.', '/')}"
            files |= {f"{folder}/{side}.parquet" for side in text_sides(*cell) if side != "card"}
    return sorted(files)


def quality_inputs(wildcards):
    """Return what the quality of a language model's profiles is measured on: each writer's, with adapter and record."""
    base = filled(WRITING, wildcards)
    files = {**base_model(wildcards), **teacher_files(wildcards), "convergence": f"{base}/convergence.json"}
    for side in ("user", "item"):
        files[f"template_{side}"] = f"results/profiles/{wildcards.dataset}/{wildcards.protocol}/template/{side}.parquet"
        files[f"{side}_instructions"] = f"{base}/instructions/{side}.jsonl"
        for writer, folder in WRITERS.items():
            files[f"{writer}_{side}"] = f"{base}/{writer}/{side}.parquet"
            files[f"{writer}_{side}_record"] = f"{base}/{writer}/{side}.provenance.json"
            files[f"{writer}_{side}_adapter"] = f"{base}/{folder}/{side}/adapter_model.safetensors"
    return files


def quality_arguments(wildcards):
    return named_arguments(quality_inputs(wildcards))


def quality_spec(wildcards):
    settings = LANGUAGE_MODELS[wildcards.language_model]
    keys = ("seed", "probes", "context", "history", "neighbours", "model", "revision", "template_arguments")
    return canonical(
        {
            **{key: settings[key] for key in keys},
            "encoder": CONFIG["encoders"][settings["encoder"]],
            "writers": list(WRITERS),
            **dict(wildcards.items()),
        }
    )


def quality_files():
    """Return the record of quality of every language model whose profiles the requested cells read."""
    folders = {Path(file).parent for file in profile_files()}
    taught = {folder.parent for folder in folders if folder.name in WRITERS}
    kinds = ("quality.csv", "quality.md", "samples.md", "rounds.svg")
    return [f"{folder}/{kind}" for folder in sorted(taught) for kind in kinds]


def audit_files():
    """Return the audits of GRPO behind the requested profiles."""
    written = [Path(path) for path in profile_files()]
    return [str(path.with_suffix("") / "audit.md") for path in written if path.parent.name == "grpo"]


# ---------------------------------------------------------------------- data

# the settings of a source that name its files
RAW_FILES = {
    "amazon": ("reviews", "ratings", "metadata"),
    "yelp": ("reviews", "businesses"),
    "netflix": ("ratings", "titles", "probe", "qualifying"),
    "mind": ("behaviors", "news"),
    "reclm": ("train", "test", "items"),
    "sequences": ("sequences", "train", "valid", "test", "items"),
    "recbole": ("inter", "item"),
    "table": ("interactions", "items"),
}
# what a simulated dataset writes, named as its publisher names it
SIMULATED = {
    "amazon": {"reviews": "Simulated_5.json.gz", "metadata": "meta_Simulated.json.gz"},
    "netflix": {"ratings": "combined_data_1.txt", "titles": "movie_titles.csv"},
    "mind": {"behaviors": "behaviors.tsv", "news": "news.tsv"},
    "reclm": {"train": "train.npz", "test": "test.npz", "items": "items.jsonl.gz"},
}
GENERATOR = (
    "seed",
    "users",
    "items",
    "mean_length",
    "behaviour_only",
    "text_only",
    "sequential",
    "new_items",
    "snapshots",
)
PUBLISHED_STATISTICS = os.path.relpath(REPOSITORY / "ptebench/report/published_statistics.csv")


def simulate_spec(wildcards):
    settings = DATASETS[wildcards.dataset]
    return canonical({key: settings[key] for key in ("layout", *GENERATOR)})


def simulate_outputs(wildcards, output):
    """Return the command line's part that names what a simulation writes."""
    files = {name.removeprefix("raw_"): path for name, path in output.items() if name != "provenance"}
    return " ".join(f"--output {name} {shlex.quote(path)}" for name, path in files.items())


def raw_files(dataset):
    """Return the raw files of a dataset, by the name that its reader knows them by."""
    settings = DATASETS[dataset]
    if settings["source"] == "simulated":
        files = SIMULATED[settings["layout"]]
        return {name: f"results/data/{dataset}/raw/{file}" for name, file in files.items()}
    root = Path(CONFIG["data_root"])
    files = {}
    for name in RAW_FILES[settings["source"]]:
        if settings[name] is not None:
            value = settings[name]
            files[name] = [whole(str(root / f)) for f in value] if isinstance(value, list) else whole(str(root / value))
    return files


def missing_files(dataset):
    """Return the raw files that a dataset lacks, each with what is known of getting it; None for nothing."""
    settings = DATASETS[dataset]
    if settings["source"] == "simulated":
        return {}
    paths = []
    for files in raw_files(dataset).values():
        paths += [files] if isinstance(files, str) else files
    return {path: find(path, settings) for path in paths if not Path(path).exists()}


def files_to_download(wildcards):
    """Return what is known of every raw file that the requested tables need and lack."""
    return canonical({path: known for dataset, _ in PAIRS for path, known in missing_files(dataset).items()})


def raw_inputs(wildcards):
    if missing := missing_files(wildcards.dataset):
        raise WorkflowError("\n".join(advice(path, known) for path, known in missing.items()))
    # Snakemake keeps the name `items` to itself
    return {f"raw_{name}": files for name, files in raw_files(wildcards.dataset).items()}


def raw_arguments(wildcards):
    return named_arguments(raw_files(wildcards.dataset))


def interactions_spec(wildcards):
    """Return what reading and filtering depend on: not the paths, whose content counts, and not the generator."""
    settings = DATASETS[wildcards.dataset]
    simulated = settings["source"] == "simulated"
    aside = {"published", "heads_compat", *(GENERATOR if simulated else RAW_FILES[settings["source"]])}
    return canonical({key: value for key, value in settings.items() if key not in aside})


def reading_code(script):
    """Return a function of the wildcards to the code of a script and of the dataset's reader."""

    def code(wildcards):
        settings = DATASETS[wildcards.dataset]
        source = settings.get("layout", settings["source"])
        return code_digest(script, f"ptebench.data.sources.{source}")

    return code


def split_spec(wildcards):
    """Return the protocol and what it takes from the dataset; a snapshot asks for new items whatever is ranked."""
    settings = dict(PROTOCOLS[wildcards.protocol])
    if settings["kind"] == "snapshot":
        del settings["remove_seen"]
    if settings["kind"] == "long_tail":
        settings["heads_compat"] = DATASETS[wildcards.dataset]["heads_compat"]
    return canonical(settings)


def impressions_file(wildcards):
    """Return what was shown, where the protocol ranks it."""
    shown = PROTOCOLS[wildcards.protocol].get("impressions", False)
    return {"impressions": f"results/data/{wildcards.dataset}/impressions.parquet"} if shown else {}


def impressions_argument(wildcards):
    return named_arguments(impressions_file(wildcards))


def split_code(wildcards):
    return code_digest(
        "workflow_scripts.split",
        f"ptebench.data.protocols.{PROTOCOLS[wildcards.protocol]['kind']}",
    )


def describe_spec(wildcards):
    return canonical(
        {
            "dataset": wildcards.dataset,
            "published": DATASETS[wildcards.dataset]["published"],
        }
    )


# ---------------------------------------------------------------- embeddings


def profile_file(wildcards, side):
    """Return the file of a side's texts: cards of items, or what `template` or LANGUAGE_MODEL.WRITER wrote."""
    if wildcards.text == "card":
        if side == "user":
            raise WorkflowError("text 'card': items have cards, users have none; name profiles instead")
        return f"results/data/{wildcards.dataset}/items.parquet"
    folder = f"results/profiles/{wildcards.dataset}/{wildcards.protocol}"
    return f"{folder}/{wildcards.text.replace('.', '/')}/{side}.parquet"


def embed_texts(wildcards):
    return profile_file(wildcards, wildcards.side)


def embed_fit(wildcards):
    """Return what an encoder that is fitted reads besides: training items and their texts."""
    if CONFIG["encoders"][wildcards.encoder]["kind"] != "lsa":
        return {}
    return {
        "train": f"results/splits/{wildcards.dataset}/{wildcards.protocol}/train.parquet",
        "fit": profile_file(wildcards, "item"),
    }


def embed_fit_arguments(wildcards):
    return named_arguments(embed_fit(wildcards))


def embed_spec(wildcards):
    return canonical(
        {
            "text": wildcards.text,
            "side": wildcards.side,
            "encoder": CONFIG["encoders"][wildcards.encoder],
        }
    )


def embed_code(wildcards):
    return code_digest("workflow_scripts.embed")


def embed_gpu(wildcards):
    return gpus(CONFIG["encoders"][wildcards.encoder]["kind"] != "lsa")


# -------------------------------------------------------------------- report

PUBLISHED = os.path.relpath(REPOSITORY / "ptebench/report/published.csv")


def metric_ks():
    """Return every K that the configuration or a table asks for."""
    named = (int(m.split("@")[1]) for table in TABLES.values() for m in table["metrics"])
    return sorted({*CONFIG["ks"], *named})


def metrics_spec(wildcards):
    names = ("dataset", "protocol", "backbone", "representation")
    cell = {name: wildcards[name] for name in names}
    settings = cell_settings(wildcards)
    cell["text"] = text_label(settings["backbone"], settings["representation"])
    return canonical({**cell, "seed": int(wildcards.seed), "ks": metric_ks()})


def metrics_of_backbone(wildcards):
    names = (wildcards.dataset, wildcards.protocol, wildcards.backbone)
    if not (cells := cells_of(*names)):
        dataset, protocol, backbone = names
        raise WorkflowError(
            f"no table asks for {backbone} on {dataset} by {protocol}; name it in a row of 'tables', or ask for one cell: "
            f"{cell_folder((*names, 'REPRESENTATION', 0))}/metrics.csv"
        )
    return [f"{cell_folder((*names, *cell))}/metrics.csv" for cell in cells]


def table_cells(table):
    """Return dataset, protocol, backbone, representation and seeds of each method of a table, in its order."""
    methods = {}
    for *method, seed in cells_of_table(TABLES[table]):
        methods.setdefault(tuple(method), {})[seed] = None
    return [[*method, list(seeds)] for method, seeds in methods.items()]


def table_metrics(wildcards):
    files = (
        f"results/metrics/{dataset}/{protocol}/{backbone}.csv"
        for dataset, protocol, backbone, *_ in table_cells(wildcards.table)
    )
    return list(dict.fromkeys(files))


def table_ranks(wildcards):
    """Return the ranks of every cell of a table, in the order of `table_cells`."""
    return [
        f"{cell_folder((*method, seed))}/ranks.parquet"
        for *method, seeds in table_cells(wildcards.table)
        for seed in seeds
    ]


def table_groups(wildcards):
    """Return the groups of every split of a table, in the order of its cells."""
    splits = dict.fromkeys((dataset, protocol) for dataset, protocol, *_ in table_cells(wildcards.table))
    return [f"results/splits/{dataset}/{protocol}/groups.parquet" for dataset, protocol in splits]


def table_spec(wildcards):
    settings, cells = TABLES[wildcards.table], table_cells(wildcards.table)
    rules = {p: {k: PROTOCOLS[p][k] for k in ("kind", "remove_seen")} for p in settings["protocols"]}
    return canonical(
        {
            "table": wildcards.table,
            **{key: settings[key] for key in ("title", "metrics", "rankings", "groups", "compare")},
            "cells": cells,
            "ids": sorted({r for _, _, _, r, _ in cells if CONFIG["representations"][r]["kind"] == "id"}),
            "published": {d: DATASETS[d]["published"] for d in settings["datasets"]},
            "protocols": rules,
        }
    )
