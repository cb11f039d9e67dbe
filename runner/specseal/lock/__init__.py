"""The lock room: from a Spec to a Lock, every input resolved to a digest."""

from specseal.lock.datasets import as_locked
from specseal.lock.differences import changed_pins
from specseal.lock.first_layers import keep_first_layers
from specseal.lock.imported import (
    IMPORT_MEND,
    ImportedCopy,
    choose_copy,
    import_files,
    imported_copies,
    remove_copy,
)
from specseal.lock.models import FilePin, ModelPin, lay_out, materialise, pin_folder
from specseal.lock.official import OfficialFile, find_official
from specseal.lock.pin import Draft, Inputs, file_to_load, pin_inputs, points_of
from specseal.lock.prompts import (
    AS_TEXT,
    Encoded,
    encoding_key,
    keep_words,
    prompts_as_text,
    random_prompts,
    with_prompts,
    without_prompts,
    words_of,
)
from specseal.lock.speed_bench import CONFIGS, bucket
from specseal.lock.steps import FIRST_LAYERS, source_files
from specseal.lock.store import Store
from specseal.lock.terms import accept_terms, are_terms_accepted, shown_terms
from specseal.lock.tokens import NotCounted, TokenCounter, open_counter
from specseal.lock.vocabulary import read_vocabulary

__all__ = [
    "AS_TEXT",
    "CONFIGS",
    "FIRST_LAYERS",
    "IMPORT_MEND",
    "Draft",
    "Encoded",
    "FilePin",
    "ImportedCopy",
    "Inputs",
    "ModelPin",
    "NotCounted",
    "OfficialFile",
    "Store",
    "TokenCounter",
    "accept_terms",
    "are_terms_accepted",
    "as_locked",
    "bucket",
    "changed_pins",
    "choose_copy",
    "encoding_key",
    "file_to_load",
    "find_official",
    "import_files",
    "imported_copies",
    "keep_first_layers",
    "keep_words",
    "lay_out",
    "materialise",
    "open_counter",
    "pin_folder",
    "pin_inputs",
    "points_of",
    "prompts_as_text",
    "random_prompts",
    "read_vocabulary",
    "remove_copy",
    "shown_terms",
    "source_files",
    "with_prompts",
    "without_prompts",
    "words_of",
]
