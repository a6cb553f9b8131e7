"""The simulator's bad weather: each misfortune alone, and storms that come again by their seed."""

import queue
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
import requests
from click.testing import CliRunner

from payments.simulator import running_simulator, simulator_command
from payments.simulator_storm import CALM, Storm, Weather
from tests.api.listening_shop import SPEED, WAIT_SECONDS, Merchant, items_of
from tests.api.test_simulator_c2b import CONFIRMATION, REGISTER, VALIDATION, addresses

FAST = 200


@pytest.fixture
def weather(merchant, simulator):
    """Change the weather, once the merchant has its token."""

    def weather(**odds):
        simulator[1].stage.weather = Weather(replace(CALM, **odds))

    return weather


class CloudOver(Weather):
    """One misfortune, and upon one phone only."""

    def __init__(self, phone, misfortune):
        super().__init__(CALM)
        self.phone, self.misfortune = phone, misfortune
        self.has_struck = threading.Event()

    def strikes(self, misfortune, subject):
        strikes = misfortune == self.misfortune and subject.endswith(self.phone)
        if strikes:
            self.has_struck.set()
        return strikes


def pay_by_hand(url, phone="254700000000", amount=5):
    body = {"phone": phone, "amount": amount, "account": "ORDER7"}
    return requests.post(f"{url}/simulator/c2b", json=body, timeout=WAIT_SECONDS).json()


# --- one misfortune at a time


@pytest.mark.parametrize(
    ("misfortune", "status", "text", "prompts"),
    [
        ("firewall", 403, "<html>", 0),
        ("spike_arrest", 500, "500.003.02", 0),
        ("internal_error", 500, "500.003.1001", 0),
        ("internal_error_taken", 500, "500.003.1001", 1),
        ("empty_answer", 200, "", 0),
        ("empty_answer_taken", 200, "", 1),
        ("token_lost", 404, "404.001.03", 0),
        ("late_answer", 200, "CheckoutRequestID", 1),
    ],
)
def test_misfortune_spoils_the_answer_and_may_let_the_call_do_its_work(
    merchant, simulator, weather, misfortune, status, text, prompts
):
    weather(**{misfortune: 1.0})
    answer = merchant.push("254700000000")
    assert answer.status_code == status
    assert text in answer.text
    assert bool(answer.text) is bool(text)
    assert len(simulator[1].prompts) == prompts


@pytest.mark.parametrize(("misfortune", "prompts"), [("hung", 0), ("hung_taken", 1)])
def test_hung_call_is_never_answered_and_stops_no_other(shop, misfortune, prompts):
    with running_simulator(speed=SPEED) as (url, provider):
        merchant = Merchant(url, shop.url)
        provider.stage.weather = CloudOver("254700000032", misfortune)
        outcomes = queue.Queue()
        hanging = threading.Thread(target=lambda: outcomes.put(push_once(merchant, "254700000032", 1)))
        hanging.start()
        assert provider.stage.weather.has_struck.wait(WAIT_SECONDS)
        assert merchant.push("254700000000").status_code == 200
        assert outcomes.empty()
        assert outcomes.get(timeout=WAIT_SECONDS) == "hung"
        hanging.join()
        assert provider.stage.wait_until_quiet(WAIT_SECONDS)
        assert len(provider.prompts) == 1 + prompts


def test_query_of_a_finished_payment_may_say_that_it_is_in_progress(merchant, shop, weather):
    checkout_request_id = merchant.push("254700000000").json()["CheckoutRequestID"]
    shop.next_callback()
    weather(query_in_progress=1.0)
    answers = [merchant.query(checkout_request_id).json() for _ in range(3)]
    assert [answer.get("ResultCode", answer.get("errorCode")) for answer in answers] == [
        "500.001.1001",
        "4999",
        "500.001.1001",
    ]
    weather(query_unlucky=1.0)
    assert merchant.query(checkout_request_id).status_code == 500
    weather()
    assert merchant.query(checkout_request_id).json()["ResultCode"] == "0"


def test_lost_callback_is_found_by_the_query(merchant, shop, simulator, weather):
    weather(lost=1.0)
    checkout_request_id = merchant.push("254700000000").json()["CheckoutRequestID"]
    assert simulator[1].stage.wait_until_quiet(WAIT_SECONDS)
    assert shop.callbacks.empty()
    assert merchant.query(checkout_request_id).json()["ResultCode"] == "0"


def test_callback_of_a_push_whose_answer_was_lost_is_not_lost_too(merchant, shop, simulator, weather):
    """The shop has no id to ask after: a provider that lost both would keep money that nobody can find."""
    weather(lost=1.0, internal_error_taken=1.0)
    for phone in ("254700000000", "254700000044"):
        merchant.push(phone)
        assert items_of(shop.next_callback())["MpesaReceiptNumber"] in simulator[1].stage.book


def test_duplicated_callback_is_the_very_same(merchant, shop, weather):
    weather(duplicated=1.0)
    merchant.push("254700000000")
    assert shop.next_callback() == shop.next_callback()


def test_lost_callback_lets_go_of_a_push_that_waits_for_it(merchant, weather):
    weather(lost=1.0)
    assert merchant.push("254700000011").status_code == 200


def test_confirmation_of_money_paid_by_hand_is_never_lost(merchant, shop, simulator, weather):
    merchant.post(REGISTER.format(version="v2"), addresses(shop))
    weather(lost=1.0)
    pay_by_hand(simulator[0])
    shop.next_message(VALIDATION)
    assert shop.next_message(CONFIRMATION)["TransAmount"] == "5.00"


def test_validation_that_timed_out_overrides_the_shops_refusal(merchant, shop, simulator, weather):
    merchant.post(REGISTER.format(version="v2"), addresses(shop))
    shop.answer = (200, b'{"ResultCode":"C2B00012","ResultDesc":"Rejected"}')
    weather(validation_timeout=1.0)
    assert pay_by_hand(simulator[0])["accepted"] is True


# --- the draws


def test_draws_are_the_same_for_the_same_seed_whoever_else_draws():
    one, other = Weather(Storm(seed=1)), Weather(Storm(seed=1))
    drawn = [one.delays("a", only_news=False) for _ in range(50)]
    for _ in range(20):
        other.delays("b", only_news=False)
        other.strikes("hung", "a")
    assert [other.delays("a", only_news=False) for _ in range(50)] == drawn
    assert [Weather(Storm(seed=2)).delays("a", only_news=False) for _ in range(50)] != drawn


def test_misfortunes_come_about_as_often_as_their_odds_say():
    weather = Weather(Storm(seed=3))
    times = Counter(len(weather.delays(str(phone), only_news=False)) for phone in range(4000))
    assert 300 < times[0] < 500
    assert 260 < times[2] < 460
    assert Counter(weather.strikes("spike_arrest", "a") for _ in range(4000))[True] in range(80, 161)


def test_without_a_storm_nothing_is_ever_late_lost_or_twice():
    weather = Weather(CALM)
    assert {weather.delays(str(phone), only_news=False) for phone in range(100)} == {(0.0,)}


# --- a whole storm


def push_once(merchant, phone, amount):
    try:
        answer = merchant.push(phone, Amount=amount)
    except requests.ConnectionError:
        return "hung"
    if answer.status_code == 200 and answer.text:
        return answer.json()["CheckoutRequestID"]
    return answer.text and f"{answer.status_code} {answer.text[:6]}"


@contextmanager
def storm(seed, shop, *, crowd=1, **more):
    """Let forty customers pay through a storm, by so many threads, and wait until it is over."""
    odds = Storm(seed=seed, token_lost=0.0, hung=0.03, hung_taken=0.03, internal_error_taken=0.05, **more)
    with running_simulator(speed=FAST, storm=odds, seed=seed) as (url, provider):
        stage, provider.stage.weather = provider.stage, Weather(CALM)
        merchant = Merchant(url, shop.url)
        merchant.post(REGISTER.format(version="v2"), addresses(shop))
        stage.weather = Weather(odds)
        phones = [f"2547000{place:03}00" for place in range(40)]
        with ThreadPoolExecutor(crowd) as customers:
            pushed = list(customers.map(lambda phone: push_once(merchant, phone, 70), phones))
            assert stage.wait_until_quiet(30)
            list(customers.map(lambda phone: pay_by_hand(url, phone), phones[:20]))
        assert stage.wait_until_quiet(30)
        yield merchant, provider, dict(zip(phones, pushed, strict=True))


def story_of(provider, pushed):
    """Tell what happened to whom, without ids and times."""
    answers = {phone: "accepted" if answer in provider.prompts else answer for phone, answer in pushed.items()}
    money = sorted((entry.kind, entry.party, entry.amount) for entry in provider.stage.book.values())
    who = {entry.receipt: entry.party for entry in provider.stage.book.values()}
    who |= {prompt.checkout_request_id: prompt.phone for prompt in provider.prompts.values()}
    return answers, money, sorted((told.kind, who[told.reference]) for told in provider.stage.deliveries)


def test_same_seed_is_the_same_storm_however_many_threads_there_are(shop):
    stories = []
    for seed, crowd in ((1, 1), (1, 8), (2, 1)):
        with storm(seed, shop, crowd=crowd) as (_, provider, pushed):
            stories.append(story_of(provider, pushed))
    assert stories[0] == stories[1]
    assert stories[0] != stories[2]


def test_after_the_storm_every_shilling_of_the_book_can_be_found(shop):
    with storm(3, shop, lost=0.5) as (merchant, provider, pushed):
        told = {CONFIRMATION: set(), "/callbacks/stk/0123abcd": set(), VALIDATION: set()}
        while not shop.callbacks.empty():
            path, body = shop.callbacks.get_nowait()
            told[path].add(body)
        told_of = "".join(told[CONFIRMATION] | told["/callbacks/stk/0123abcd"])
        provider.stage.weather = Weather(replace(CALM, query_in_progress=0.3, query_unlucky=0.3, spike_arrest=0.1))
        for entry in provider.stage.book.values():
            if entry.receipt in told_of:
                continue
            assert pushed[entry.party] == entry.reference  # only what can be asked after is lost
            answers = (merchant.query(entry.reference).json() for _ in range(50))
            assert any(answer.get("ResultCode") == "0" for answer in answers)
        assert len(provider.stage.book) > 40
        assert any(entry.receipt not in told_of for entry in provider.stage.book.values())


def test_stage_is_quiet_only_when_nothing_is_left(merchant, simulator, shop):
    stage = simulator[1].stage
    assert stage.wait_until_quiet(0)
    shop.may_answer.clear()
    merchant.push("254700000000")
    assert not stage.wait_until_quiet(0)
    shop.next_callback()
    assert not stage.wait_until_quiet(0)
    shop.may_answer.set()
    assert stage.wait_until_quiet(WAIT_SECONDS)


def test_command_takes_a_storm_by_its_seed():
    assert "--storm SEED" in CliRunner().invoke(simulator_command, ["--help"]).output
