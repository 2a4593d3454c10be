from __future__ import annotations

from collections.abc import Callable

import pytest

from edged.adapters.model_check import ChildRuntime
from edged.modelcheck.types import ConfigCheck, ConfigVerdict, ModelCheck, ModelVerdict

from .bundles import MIB

Check = Callable[..., ModelVerdict]
CheckConfig = Callable[..., ConfigVerdict]


@pytest.fixture
def check() -> Check:
    def run(request: ModelCheck, timeout: float = 60, memory: int = 400, cpu: int = 60) -> ModelVerdict:
        return ChildRuntime().check_model(request, timeout=timeout, memory_limit=memory * MIB, cpu_seconds=cpu)

    return run


@pytest.fixture
def check_config() -> CheckConfig:
    def run(request: ConfigCheck, timeout: float = 60, memory: int = 200, cpu: int = 30) -> ConfigVerdict:
        return ChildRuntime().check_config(request, timeout=timeout, memory_limit=memory * MIB, cpu_seconds=cpu)

    return run
