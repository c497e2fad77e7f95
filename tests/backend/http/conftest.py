"""A service whose model is not loaded yet."""

import pytest
from flask.testing import FlaskClient


@pytest.fixture
def loading(make_client) -> FlaskClient:
    return make_client(is_loaded=False)
