"""What the Hugging Face containers do where a script defines nothing: serve the model with a pipeline.

The request is ``{"inputs": …, "parameters": {…}}``; ``HF_TASK`` names the task, else the model's architecture says it.
"""

import importlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wildsage.formats.content_types import JSON, media_type
from wildsage.toolkit.script_mode import codecs
from wildsage.toolkit.script_mode.errors import ClientError

_TASKS = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "MTModel": "text2text-generation",
    "ForMultipleChoice": "multiple-choice",
    "ForImageClassification": "image-classification",
    "ForAudioClassification": "audio-classification",
    "ForCTC": "automatic-speech-recognition",
    "Model": "feature-extraction",
}
"""By the end of an architecture's name; the first that fits counts."""


def load(model_folder: str) -> Any:
    """Make the pipeline of a model that lies in a folder, or that ``HF_MODEL_ID`` names.

    Raises
    ------
    ClientError
        If there is no model, or its task cannot be told.
    """
    config = Path(model_folder, "config.json")
    name = model_folder if config.is_file() else os.environ.get("HF_MODEL_ID", "")
    if not name:
        raise ClientError(
            f"there is no config.json in {model_folder}: pack what save_pretrained writes at the top of model.tar.gz, "
            "or define model_fn in code/inference.py"
        )
    task = os.environ.get("HF_TASK") or (_task(config) if config.is_file() else "")
    pipeline = importlib.import_module("transformers").pipeline
    return pipeline(task=task or None, model=name, device=-1)


def _task(config: Path) -> str:
    architectures = json.loads(config.read_text()).get("architectures") or [""]
    for ending, task in _TASKS.items():
        if architectures[0].endswith(ending):
            return task
    raise ClientError(
        f"the task of the architecture {architectures[0]!r} is not known: set HF_TASK in the model's environment, "
        "e.g. text-classification"
    )


def decode(data: bytes | str, content_type: str) -> Any:
    """Read a request: JSON as it is; anything else as an array, which is the inputs."""
    if media_type(content_type) == JSON:
        return json.loads(data)
    return {"inputs": codecs.decode(data, content_type).tolist()}


def predict(data: Any, model: Callable[..., Any]) -> Any:
    """Call the pipeline with what the request says."""
    if not isinstance(data, dict):
        return model(data)
    parameters = data.get("parameters") or {}
    rest = {name: value for name, value in data.items() if name != "parameters"}
    return model(rest.get("inputs", rest), **parameters)


DEFAULTS: Mapping[str, Callable[..., Any]] = {
    "model_fn": load,
    "input_fn": decode,
    "predict_fn": predict,
    "output_fn": codecs.encode,
}
