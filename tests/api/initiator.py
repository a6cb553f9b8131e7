"""A merchant with an initiator: what the simulator's tests send money back with."""

import base64

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding

from payments.simulator import SIMULATOR_INITIATOR_NAME, SIMULATOR_INITIATOR_PASSWORD, SIMULATOR_SHORTCODE
from payments.simulator_keys import simulator_certificate
from tests.api.listening_shop import Merchant, items_of

REVERSAL = "/mpesa/reversal/v1/request"
B2C = "/mpesa/b2c/v3/paymentrequest"
STATUS = "/mpesa/transactionstatus/v1/query"
RESULT, TIMEOUT = "/callbacks/result/0123abcd", "/callbacks/timeout/0123abcd"


class Initiator(Merchant):
    """Signs its calls with the initiator's encrypted password."""

    def pay(self, shop, phone="254700000000", amount=100):
        """Take money by a prompt and return its receipt."""
        self.push(phone, Amount=amount)
        return items_of(shop.next_callback())["MpesaReceiptNumber"]

    def initiate(self, path, shop, **fields):
        """Make a call that ends with a Result."""
        common = {
            "Remarks": "Refund",
            "ResultURL": shop.address(RESULT),
            "QueueTimeOutURL": shop.address(TIMEOUT),
        }
        return self.post(path, common | fields)

    def reverse(self, shop, receipt, amount=100, **changes):
        fields = {
            "Initiator": SIMULATOR_INITIATOR_NAME,
            "SecurityCredential": security_credential(),
            "CommandID": "TransactionReversal",
            "TransactionID": receipt,
            "Amount": amount,
            "ReceiverParty": SIMULATOR_SHORTCODE,
            "RecieverIdentifierType": "11",
            "Occasion": "",
        }
        return self.initiate(REVERSAL, shop, **fields | changes)

    def pay_out(self, shop, key, phone="254700000000", amount=40, **changes):
        fields = {
            "OriginatorConversationID": key,
            "InitiatorName": SIMULATOR_INITIATOR_NAME,
            "SecurityCredential": security_credential(),
            "CommandID": "BusinessPayment",
            "Amount": amount,
            "PartyA": SIMULATOR_SHORTCODE,
            "PartyB": phone,
            "Occassion": "",
        }
        return self.initiate(B2C, shop, **fields | changes)

    def ask_status(self, shop, receipt="", **changes):
        fields = {
            "Initiator": SIMULATOR_INITIATOR_NAME,
            "SecurityCredential": security_credential(),
            "CommandID": "TransactionStatusQuery",
            "TransactionID": receipt,
            "PartyA": SIMULATOR_SHORTCODE,
            "IdentifierType": "4",
            "Occasion": "",
        }
        return self.initiate(STATUS, shop, **fields | changes)


def security_credential(password=SIMULATOR_INITIATOR_PASSWORD, certificate=None):
    public_key = x509.load_pem_x509_certificate((certificate or simulator_certificate()).encode()).public_key()
    return base64.b64encode(public_key.encrypt(password.encode(), padding.PKCS1v15())).decode()


def next_result(shop):
    return shop.next_message(RESULT)["Result"]


def parameters_of(result):
    """Return the parameters by key, however many the provider wrote."""
    found = result.get("ResultParameters", {}).get("ResultParameter", [])
    return {each["Key"]: each.get("Value") for each in ([found] if isinstance(found, dict) else found)}
