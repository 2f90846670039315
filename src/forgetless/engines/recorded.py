"""An endpoint that has answered everything already: its answers are in the cache, and nobody is asked again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from forgetless.errors import EndpointError


@dataclass(frozen=True, slots=True)
class RecordedEndpoint:
    """Stands for a server whose work in a run is done, so that the run goes on without it.

    The two hashes are those under which its answers are kept; a question that has no kept answer is refused.
    """

    model_hash: str
    settings_hash: str

    def generate(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: see `EndpointError`."""
        raise self._gone()

    def continue_texts(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: see `EndpointError`."""
        raise self._gone()

    def write_prompts(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: see `EndpointError`."""
        raise self._gone()

    def answer_likelihoods(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: see `EndpointError`."""
        raise self._gone()

    def _gone(self) -> EndpointError:
        return EndpointError(
            field="--resume",
            value="replay",
            rule="the answers that the endpoint gave this run are no longer in the cache, and new ones would not be "
            "the rows that it has been trained on",
            way_out="restore the cache folder (`FORGETLESS_CACHE`), or give `name:` another value and begin anew",
        )
