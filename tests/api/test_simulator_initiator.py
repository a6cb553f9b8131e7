"""Who may send money back at the simulator: its certificate, the initiator's password, fields and their spelling."""

import base64
import queue
import threading

import pytest
import requests

from payments.simulator_keys import simulator_certificate
from tests.api.initiator import Initiator, next_result, security_credential
from tests.api.listening_shop import WAIT_SECONDS


@pytest.fixture
def merchant(simulator, shop):
    return Initiator(simulator[0], shop.url)


# --- the certificate


def test_certificate_is_shown_and_kept(simulator, tmp_path):
    shown = requests.get(f"{simulator[0]}/simulator/certificate", timeout=WAIT_SECONDS).text
    assert shown == simulator_certificate()
    assert simulator_certificate(tmp_path / "keys") == simulator_certificate(tmp_path / "keys") != shown
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0


def test_all_who_make_the_keys_at_once_get_the_same(tmp_path):
    found = queue.Queue()
    makers = [
        threading.Thread(target=lambda: found.put(simulator_certificate(tmp_path / "deep" / "keys"))) for _ in range(4)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len({found.get_nowait() for _ in makers}) == 1
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["keys"]


# --- fields and the initiator


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Initiator", ""),
        ("SecurityCredential", "not base64!"),
        ("SecurityCredential", base64.b64encode(b"plain").decode()),
        ("CommandID", "Reversal"),
        ("TransactionID", "short"),
        ("Amount", "1.50"),
        ("ReceiverParty", "600000"),
        ("RecieverIdentifierType", "4"),
        ("ResultURL", "https://shop.example/mpesa/result"),
        ("QueueTimeOutURL", None),
        ("Remarks", ""),
        ("Occasion", None),
    ],
)
def test_bad_field_of_a_reversal_is_named(merchant, shop, simulator, field, value):
    refused = merchant.reverse(shop, "SKC82PACB8", **{field: value})
    assert (refused.status_code, refused.json()["errorCode"]) == (400, "400.002.02")
    assert refused.json()["errorMessage"] == f"Bad Request - Invalid {field}"
    assert not simulator[1].conversations


@pytest.mark.parametrize(
    ("field", "value"),
    [("Amount", 9), ("Amount", 250_001), ("PartyA", "600000"), ("PartyB", "0712345678"), ("Occassion", None)],
)
def test_bad_field_of_a_b2c_is_named(merchant, shop, field, value):
    refused = merchant.pay_out(shop, "key-1", **{field: value})
    assert refused.json()["errorMessage"] == f"Bad Request - Invalid {field}"


def test_right_spelling_is_refused(merchant, shop):
    reversal = merchant.reverse(shop, "SKC82PACB8", RecieverIdentifierType=None, ReceiverIdentifierType="11")
    assert reversal.json()["errorMessage"] == "Bad Request - Invalid RecieverIdentifierType"
    b2c = merchant.pay_out(shop, "key-1", Occassion=None, Occasion="")
    assert b2c.json()["errorMessage"] == "Bad Request - Invalid Occassion"


def test_each_call_refuses_an_old_token_in_its_own_way(merchant, shop):
    receipt = merchant.pay(shop)
    merchant.token = "old"
    refusals = [merchant.reverse(shop, receipt), merchant.pay_out(shop, "key-1"), merchant.ask_status(shop, receipt)]
    assert [(refused.status_code, refused.json()["errorCode"]) for refused in refusals] == [
        (404, "404.001.03"),
        (401, "401.002.01"),
        (400, "400.003.01"),
    ]


def test_wrong_initiator_or_password_is_told_by_the_result_alone(merchant, shop, simulator, tmp_path):
    receipt = merchant.pay(shop)
    elsewhere = simulator_certificate(tmp_path / "keys")
    for wrong in (
        {"Initiator": "another"},
        {"SecurityCredential": security_credential("another password")},
        {"SecurityCredential": security_credential(certificate=elsewhere)},
    ):
        assert merchant.reverse(shop, receipt, **wrong).json()["ResponseCode"] == "0"
        assert str(next_result(shop)["ResultCode"]) == "2001"
    assert simulator[1].stage.book.balance == 100
