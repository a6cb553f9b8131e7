"""The stories that the bundled Daraja simulator can play, chosen by the last two digits of the phone.

Owns the table of stories and the provider's prose for each result code; data only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Outcome:
    """One thing that the payer does, and how often the shop is told of it."""

    after: float  # seconds after the push, at speed 1
    code: int
    told: tuple[float, ...] = (0.0,)  # one callback each, seconds after the outcome


@dataclass(frozen=True)
class Refusal:
    """An error that answers the push: no prompt is opened. Without a code it is the firewall's page."""

    status: int
    code: str | None
    message: str


@dataclass(frozen=True)
class Story:
    name: str
    happens: str
    outcomes: tuple[Outcome, ...] = ()
    answered: Literal["at once", "after the callback", "never"] = "at once"
    refusal: Refusal | None = None


FIREWALL_PAGE = "<html><body><h1>403 Forbidden</h1></body></html>"
SPIKE_ARREST = "Spike arrest violation. Too many requests"

PAID = Story("paid", "Paid after 1.5 s, one callback.", (Outcome(1.5, 0),))

STORIES: dict[str, Story] = {
    "01": Story("too little money", "Result 1 after 1.5 s.", (Outcome(1.5, 1),)),
    "11": Story(
        "callback first",
        "Paid; the callback comes before the push's own answer.",
        (Outcome(0.2, 0),),
        answered="after the callback",
    ),
    "20": Story("slow", "Paid after 20 s.", (Outcome(20, 0),)),
    "21": Story("wrong PIN", "Result 2001 after 1.5 s.", (Outcome(1.5, 2001),)),
    "32": Story("cancelled", "Result 1032 after 1.5 s.", (Outcome(1.5, 1032),)),
    "33": Story("told three times", "Paid; the same callback three times.", (Outcome(1.5, 0, told=(0, 1, 3)),)),
    "37": Story("unreachable", "Result 1037 after 3 s.", (Outcome(3, 1037),)),
    "40": Story(
        "refused",
        "The push is refused: 400.002.02.",
        refusal=Refusal(400, "400.002.02", "Bad Request - Invalid PhoneNumber"),
    ),
    "43": Story(
        "firewall",
        "The push is answered 403 with an HTML page.",
        refusal=Refusal(403, None, FIREWALL_PAGE),
    ),
    "44": Story(
        "callback lost",
        "Paid after 1.5 s; no callback ever: only the query tells, or C2B.",
        (Outcome(1.5, 0, told=()),),
    ),
    "50": Story(
        "spike arrest",
        "The push is answered 500.003.02: try later.",
        refusal=Refusal(500, "500.003.02", SPIKE_ARREST),
    ),
    "54": Story(
        "answer lost",
        "The push is never answered; paid and called back after 4 s.",
        (Outcome(4, 0),),
        answered="never",
    ),
    "70": Story(
        "failed, then paid",
        "Result 1037 after 1.5 s, result 0 after 5 s.",
        (Outcome(1.5, 1037), Outcome(5, 0)),
    ),
}


@dataclass(frozen=True)
class RefundStory:
    """What becomes of a Reversal or B2C to this phone."""

    name: str
    happens: str
    code: int = 0  # 0: as the book allows
    told: tuple[float, ...] = (0.0,)  # one Result each, seconds after the money moved
    timed_out: bool = False  # instead of the Result comes the notice of the queue
    answered: Literal["at once", "after the result"] = "at once"


REFUNDED = RefundStory("refunded", "Sent back after 1.5 s, one Result.")

REFUND_STORIES: dict[str, RefundStory] = {
    "61": RefundStory("told twice", "Sent back; the same Result twice.", told=(0, 1)),
    "62": RefundStory("result lost", "Sent back; no Result ever, only Transaction status tells.", told=()),
    "63": RefundStory(
        "result first", "Sent back; the Result comes before the call's own answer.", answered="after the result"
    ),
    "64": RefundStory("too little money", "Result 1: the shop's account does not cover it.", code=1),
    "65": RefundStory("queue time-out", "Sent back, but told as a queue time-out only.", timed_out=True),
}

# The provider's prose for each result code. The query may put a prefix before it: nobody should match on it.
DESCRIPTIONS: dict[int | str, str] = {
    0: "The service request is processed successfully.",
    1: "The balance is insufficient for the transaction.",
    26: "System busy. The service request timed out in the queue.",
    1032: "Request cancelled by user",
    1037: "DS timeout user cannot be reached",
    2001: "The initiator information is invalid.",
    2028: "The request is not permitted according to product assignment.",
    "R000001": "The transaction has already been reversed.",
    "R000002": "The OriginalTransactionID is invalid.",
}
QUERY_PREFIXES: dict[int, str] = {1037: "[STK_CB - ]", 2001: "[STK_CB - ]"}


def stories_table() -> list[tuple[str, str, str]]:
    """List suffix, name and what happens, for the readme, --help and the page."""
    return tabulate(STORIES, PAID)


def refund_stories_table() -> list[tuple[str, str, str]]:
    """List the same for money that is sent back."""
    return tabulate(REFUND_STORIES, REFUNDED)


def tabulate(stories: Mapping[str, Story | RefundStory], usual: Story | RefundStory) -> list[tuple[str, str, str]]:
    rows = [(suffix, story.name, story.happens) for suffix, story in sorted(stories.items())]
    return [*rows, ("other", usual.name, usual.happens)]


def story_for(phone: str) -> Story:
    """Choose the story by the last two digits of the phone."""
    return STORIES.get(phone[-2:], PAID)


def refund_story_for(phone: str) -> RefundStory:
    """Choose by the last two digits of the phone that is to be given its money back."""
    return REFUND_STORIES.get(phone[-2:], REFUNDED)
