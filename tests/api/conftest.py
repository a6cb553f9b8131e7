"""The simulator and the shop at its other end."""

import pytest

from payments.simulator import running_simulator
from tests.api.listening_shop import SPEED, Merchant, listening_shop


@pytest.fixture
def shop():
    with listening_shop() as shop:
        yield shop


@pytest.fixture
def simulator():
    with running_simulator(speed=SPEED, seed=1) as (url, provider):
        yield url, provider


@pytest.fixture
def merchant(simulator, shop):
    return Merchant(simulator[0], shop.url)


@pytest.fixture
def patient_merchant(shop):
    """A merchant at whose provider time goes as it does, so that a slow prompt stays open."""
    with running_simulator() as (url, _provider):
        yield Merchant(url, shop.url)
