"""What operators ask, and how every answer is framed."""

from __future__ import annotations

from flask.testing import FlaskClient

from utils import worker


def test_health_answers_without_the_database(client: FlaskClient) -> None:
    assert client.get("/health").get_json() == {"status": "ok"}


def test_ready_wants_a_worker_that_lives(client: FlaskClient) -> None:
    assert client.get("/ready").status_code == 503
    worker.beat()
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert answer.get_json() == {"status": "ok", "database": "ok", "migrations": "ok", "worker": "ok"}


def test_metrics_tell_the_backlogs(client: FlaskClient) -> None:
    assert b"duka_payments_open 0.0" in client.get("/metrics").data


def test_a_well_formed_request_id_comes_back_and_any_other_is_replaced(client: FlaskClient) -> None:
    assert client.get("/health", headers={"X-Request-ID": "abc.DEF-1_2"}).headers["X-Request-ID"] == "abc.DEF-1_2"
    assert client.get("/health", headers={"X-Request-ID": "no good!"}).headers["X-Request-ID"] != "no good!"


def test_an_unknown_address_is_problem_json_under_api_and_a_page_elsewhere(client: FlaskClient) -> None:
    answer = client.get("/api/nothing-here")
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert answer.get_json()["code"] == "not_found"
    assert client.get("/nothing-here").mimetype == "text/html"


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    answer = client.post("/health", headers={"Accept": "application/json"})
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
