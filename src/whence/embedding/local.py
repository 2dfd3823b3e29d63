"""A model in a local directory, loaded by model2vec: static embeddings, milliseconds on a CPU, nothing downloaded.

    pip install "whence[embeddings]"
    WHENCE_EMBEDDING=local:/models/potion-base-8M

Any directory that model2vec reads will do: its own layout (`model.safetensors`, `tokenizer.json`, `config.json`) or
that of sentence-transformers' StaticEmbedding.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whence.embedding.interface import whole
from whence.errors import BadInput, WhenceError


class LocalEmbedder:
    """The model of a directory, loaded when this is built, so that a wrong one fails at the start.

    A text of which the model knows no token gets a zero vector: whether it is near anything is unknown.
    """

    lexical = False

    def __init__(self, directory: str | Path) -> None:
        """Load the model.

        Raises:
            BadInput: model2vec is not installed, or the directory holds no model that it can load.
        """
        path = Path(directory).expanduser()
        if not path.is_dir():  # model2vec would take the name for one on the hub, and download it
            raise BadInput(
                f"{str(directory)!r} is no directory; accepted: a directory with model.safetensors, "
                "tokenizer.json and config.json, as model2vec saves it"
            )
        try:
            from model2vec import StaticModel
        except ImportError as exc:
            raise BadInput(f'a local model needs model2vec ({exc}): pip install "whence[embeddings]"') from exc
        try:
            self._model: Any = StaticModel.from_pretrained(path.resolve(), force_download=False)
            self.dimensions: int | None = int(self._model.dim)
        except Exception as exc:  # safetensors and tokenizers raise classes of their own
            raise BadInput(
                f"{str(path)!r} cannot be loaded by model2vec ({type(exc).__name__}: {exc}); accepted: a directory "
                "with model.safetensors, tokenizer.json and config.json, as StaticModel.save_pretrained writes it"
            ) from exc
        self.name = f"local:{path.resolve().name}"

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector for each text.

        Raises:
            WhenceError: the model failed.
        """
        if not texts:
            return []
        try:
            found: list[list[float]] = self._model.encode(
                [whole(each) for each in texts], use_multiprocessing=False
            ).tolist()
        except Exception as exc:
            raise WhenceError(
                f"{self.name} failed on {len(texts)} texts ({type(exc).__name__}: {exc}); "
                "if another directory works, load this model anew"
            ) from exc
        return found

    def __repr__(self) -> str:
        return f"LocalEmbedder({self.name}, {self.dimensions} dimensions)"
