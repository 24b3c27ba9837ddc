"""Models of transformers as their files have them: no weight that these lack is made up."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def whole_models() -> Iterator[None]:
    """Raise ValueError for a model of transformers whose files lack weights, which would be random ones.

    Those of a pooler may lack: neither a next word nor a vector is made of them.
    """
    from transformers import PreTrainedModel

    own = vars(PreTrainedModel)["from_pretrained"].__func__

    def from_pretrained(cls, *place, **options):
        model, report = own(cls, *place, **options, output_loading_info=True)
        names = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
        if lacking := [name for name in names if not name.startswith("pooler.")]:
            raise ValueError(
                f"its weights lack {lacking[0]}" + (f" and {len(lacking) - 1} more" if lacking[1:] else "")
            )
        return model

    with patch.object(PreTrainedModel, "from_pretrained", classmethod(from_pretrained)):
        yield
