"""The model of a cell, built from its settings or restored from its saved state."""

import importlib
import os
from dataclasses import replace
from types import ModuleType

import torch

from ptebench.files import InputError
from ptebench.recommenders.representation import Unread
from ptebench.recommenders.sampling import seed_of


def build(spec: dict, catalogue):
    """Return the backbone and the representation (None for a counter) of a cell, initialised by its seed."""
    torch.manual_seed(seed_of(spec["seed"], "initialisation"))
    backbone, representation = spec["backbone"], spec["representation"]
    module = importlib.import_module(f"ptebench.recommenders.backbones.{backbone['kind']}")
    _check_class(module, backbone)
    if hasattr(module, "Counter"):
        return module.Counter(backbone, catalogue), None
    if getattr(module.Backbone, "reads_vectors", True):
        texts = importlib.import_module(f"ptebench.recommenders.representations.{representation['kind']}")
        whose = catalogue
        if getattr(module.Backbone, "reads_profiles", False):  # by itself, the same way whatever represents the items
            whose = replace(catalogue, text={name: text for name, text in catalogue.text.items() if name != "user"})
        representation = texts.Representation(representation, whose)
    else:
        representation = Unread(catalogue)
    free = not representation.has_users or (backbone.get("free_users", False) and not representation.free_users)
    return module.Backbone(backbone, replace(catalogue, free_users=free)), representation


def _check_class(module: ModuleType, settings: dict) -> None:
    """Raise InputError where a file has another class than its settings are of."""
    expected = "Backbone" if "learning_rate" in settings else "Counter"
    if not hasattr(module, expected):
        raise InputError(
            f"{module.__file__}: no class {expected}; a class Backbone has settings that extend Trained "
            "(ptebench/config/backbones.py), a class Counter settings that extend Backbone"
        )


def restore(spec: dict, catalogue, train_set, state: dict):
    """Return backbone, representation and device of a trained cell from its saved state."""
    backbone, representation = build(spec, catalogue)
    if representation is None:
        backbone.load_state_dict({name.removeprefix("backbone."): value for name, value in state.items()})
        return backbone, None, torch.device("cpu")
    models = torch.nn.ModuleDict({"backbone": backbone, "representation": representation})
    models.load_state_dict(state)
    device = device_of(spec["backbone"])
    models.to(device)
    if hasattr(backbone, "observe"):
        backbone.observe(train_set.to(device))
    return backbone, representation, device


def device_of(settings: dict) -> torch.device:
    """Return the device that `device` asks for; raise InputError for a GPU that is not there.

    On a GPU torch is told to give the same bytes every time, which some of its operators do only when asked.
    """
    device = settings.get("device", "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device: 'cuda' is set but torch sees no GPU; set 'auto' or 'cpu'")
    if device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without which matrix products are refused
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch sets it itself
    return torch.device("cuda")
