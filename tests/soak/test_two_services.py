"""Two services beside each other, of which one is killed."""

import pytest

from tests.support.valkey_server import valkey_server

pytestmark = pytest.mark.soak


def test_two_services_on_one_folder_answer_alike_and_one_goes_on_when_the_other_is_killed(
    serve, send_traffic, settle
):
    """The first has started the embedded Valkey, which the second needs on."""
    first = serve()
    data = first.log.parent / "data"
    second = serve(DATA_DIR=str(data))
    traffic = send_traffic(first, second)
    traffic.go_on()
    first.kill()
    traffic.turn_away_from(first)
    traffic.go_on()
    settle(traffic, second, data_dir=data, unanswered=2 * traffic.n_clients)


def test_two_services_on_one_redis_answer_alike_and_one_goes_on_when_the_other_is_killed(
    serve, send_traffic, settle, tmp_path
):
    with valkey_server(tmp_path / "redis", options={"appendonly": "yes"}) as server:
        services = [serve(REDIS_URL=server.url) for _ in range(2)]
        traffic = send_traffic(*services)
        traffic.go_on()
        services[0].kill()
        traffic.turn_away_from(services[0])
        traffic.go_on()
        settle(traffic, services[1], redis_url=server.url, unanswered=2 * traffic.n_clients)
