"""Domain errors: what services raise, and what clients read as problem+json.

A class is an HTTP status, a stable `code` and a sentence. The keywords of the constructor fill the sentence and
become `data`. No Flask here: `utils.web` renders them.
"""

from __future__ import annotations

from collections.abc import Mapping


class ShopError(Exception):
    """Something went wrong in a way that the caller can act upon."""

    status = 500
    code = "internal_error"
    detail = "Something went wrong on our side. Try again; if it stays, tell us the request id."
    # Seconds until a retry makes sense; sent as Retry-After.
    retry_after: int | None = None

    def __init__(self, detail: str | None = None, *, fields: Mapping[str, str] | None = None, **data: object) -> None:
        self.data = data
        self.fields = dict(fields or {})
        self.detail = detail or type(self).detail.format(**data)
        super().__init__(self.detail)


# --- 400, 401, 403, 404, 412, 413, 415, 422


class MalformedRequest(ShopError):
    status, code, detail = 400, "malformed_request", "The request cannot be read."


class BadCursor(ShopError):
    status, code = 400, "bad_cursor"
    detail = "This cursor is not one of ours, or it belongs to another list. Start again without it."


class NotLoggedIn(ShopError):
    status, code, detail = 401, "not_logged_in", "Log in first: send Authorization: Bearer <access token>."


class InvalidToken(ShopError):
    status, code, detail = 401, "invalid_token", "This token is not valid. Log in again."


class TokenExpired(ShopError):
    status, code, detail = (
        401,
        "token_expired",
        "This token has expired. Use the refresh token or log in again.",
    )


class TokenRevoked(ShopError):
    status, code, detail = 401, "token_revoked", "This session has ended. Log in again."


class ApiKeyRefused(ShopError):
    status, code = 401, "invalid_api_key"
    detail = "This API key is not valid: it is unknown, was revoked or has expired. Make a new one."


class TokenReused(ShopError):
    status, code = 401, "token_reused"
    detail = "This refresh token was used before, so its whole session is closed. Log in again."


class InvalidCredentials(ShopError):
    status, code, detail = 401, "invalid_credentials", "The user name, e-mail or password is wrong."


class TotpRequired(ShopError):
    status, code, detail = 401, "totp_required", "This account has a second factor: send its code, too, as totp."


class InvalidTotp(ShopError):
    status, code = 401, "invalid_totp"
    detail = "This code is wrong, too old, or was used before. Wait for the next one, or send a recovery code."


class TotpSetupRequired(ShopError):
    status, code = 403, "totp_setup_required"
    detail = "Staff need a second factor here. Set it up (POST /api/auth/totp, or on the security page), then go on."


class Forbidden(ShopError):
    status, code, detail = 403, "forbidden", "You may not do this. It needs the permission {permission}."


class CsrfFailed(ShopError):
    status, code = 403, "csrf_failed"
    detail = (
        "This was not sent from a page that is open here, or somebody logged in or out meanwhile. Load the page again"
        " (cookies must be allowed), then repeat it. Scripts send the page's token as X-CSRF-Token."
    )


class PersonRequired(ShopError):
    status, code, detail = 403, "person_required", "This takes somebody who is logged in; an API key is not enough."


class NotFound(ShopError):
    status, code, detail = 404, "not_found", "There is no {what} here, or it is not yours."


class PreconditionFailed(ShopError):
    status, code = 412, "precondition_failed"
    detail = "Somebody changed this since you read it. Read it again and repeat your change."


class UploadTooLarge(ShopError):
    status, code, detail = 413, "upload_too_large", "A file may have at most {limit} bytes."


class UnsupportedPicture(ShopError):
    status, code, detail = 415, "unsupported_picture", "Send a picture as JPEG, PNG or WebP."


class BrokenPicture(ShopError):
    status, code, detail = 422, "broken_picture", "This picture cannot be read. Save it anew, and send it again."


class PictureTooLarge(ShopError):
    status, code, detail = 422, "picture_too_large", "A picture may have at most {limit} pixels. Send a smaller one."


class InvalidFields(ShopError):
    status, code, detail = 422, "invalid_fields", "Some fields are not valid; see errors."


class LinkSpent(ShopError):
    status, code = 422, "link_spent"
    detail = "This link was used before, is too old, or is none of ours. Ask for a new mail."


class UnreadableFile(ShopError):
    """Nothing can be read of this file; the message says why and what to do."""

    status, code = 422, "unreadable_file"


class VariantRequired(ShopError):
    status, code, detail = 422, "variant_required", "This product comes in several variants; send variant_id."


class AmountTooHigh(ShopError):
    status, code = 422, "amount_too_high"
    detail = "M-Pesa moves at most {limit} shillings at a time, and {amount} are due."


class IdempotencyMismatch(ShopError):
    status, code = 422, "idempotency_mismatch"
    detail = "This Idempotency-Key was used with another request. Use a new key for a new request."


# --- 409: the state of things stands against it


class Conflict(ShopError):
    status, code, detail = 409, "conflict", "The present state does not allow this."


class StaleRow(Conflict):
    code, detail = "stale_row", "Somebody else changed this at the same moment. Read it again and repeat."


class IdempotencyInProgress(Conflict):
    code = "idempotency_in_progress"
    detail = "The first request under this Idempotency-Key is still running. Ask again in a moment."
    retry_after = 1


class UsernameTaken(Conflict):
    code, detail = "username_taken", "This user name is taken."


class EmailTaken(Conflict):
    code, detail = "email_taken", "An account with this e-mail address exists."


class RoleTaken(Conflict):
    code, detail = "role_taken", "Another role has this name."


class RoleInUse(Conflict):
    code, detail = "role_in_use", "Accounts have this role. Give them another one first."


class PermissionTaken(Conflict):
    code, detail = "permission_taken", "There is a permission of this name."


class PermissionInUse(Conflict):
    code, detail = "permission_in_use", "Roles have this permission. Take it from them first."


class BuiltIn(Conflict):
    code, detail = "built_in", "The shop came with this; it stays."


class TooManyKeys(Conflict):
    code, detail = "too_many_keys", "An account has at most {limit} API keys. Revoke one that is not used."


class TooManyAddresses(Conflict):
    code, detail = "too_many_addresses", "An address book holds at most {limit} addresses. Delete one that is not used."


class DefaultNeeded(Conflict):
    code, detail = "default_needed", "One address is the default. Make another one the default instead."


class LastAdmin(Conflict):
    code = "last_admin"
    detail = "Nobody would be left who may do everything. Give somebody else the role admin first."


class OrdersOpen(Conflict):
    code = "orders_open"
    detail = "There are orders under way. Wait until they have arrived, or cancel them, and try again."


class TotpEnabled(Conflict):
    code, detail = "totp_enabled", "This account has a second factor. Take it away first to begin another."


class TotpNotBegun(Conflict):
    code, detail = "totp_not_begun", "There is no second factor to confirm. Begin with POST /api/auth/totp."


class SlugTaken(Conflict):
    code, detail = "slug_taken", "Another one has this slug."


class SkuTaken(Conflict):
    code, detail = "sku_taken", "Another variant has this SKU."


class OptionsTaken(Conflict):
    code, detail = "options_taken", "Another variant of this product has the very same options."


class CategoryInUse(Conflict):
    code, detail = "category_in_use", "Products stand in this category. Move them first."


class CategoryCycle(Conflict):
    code, detail = "category_cycle", "A category cannot stand below itself."


class StaleStock(Conflict):
    code, detail = "stale_stock", "The stock is {stock}, not what you expected. Nothing was changed."


class OutOfStock(Conflict):
    code, detail = "out_of_stock", "There is not enough left of this."


class CartEmpty(Conflict):
    code, detail = "cart_empty", "The cart is empty. Put something in it first."


class CheckoutSpent(Conflict):
    code, detail = "checkout_spent", "This was ordered already: an order is placed once, however often it is sent."


class CartLineFull(Conflict):
    code, detail = "cart_line_full", "A cart holds at most {limit} pieces of one thing; this would make {requested}."


class PriceChanged(Conflict):
    code, detail = (
        "price_changed",
        "The total is now {total}. Look again, then order with the new expected_total.",
    )


class IllegalTransition(Conflict):
    code, detail = "illegal_transition", "From {current} it cannot become {wanted}."


class AlreadyAllocated(Conflict):
    code, detail = "already_allocated", "This money was put to order {order_id} before."


class AlreadyPaid(Conflict):
    code, detail = "already_paid", "This order is paid."


class OrderClosed(Conflict):
    code, detail = "order_closed", "This order is {status}; it cannot be paid any more."


class MoneyGoesBack(Conflict):
    code, detail = "money_goes_back", "A refund of this money was asked for, so it cannot be put to an order."


class OrderInReview(Conflict):
    code = "order_in_review"
    detail = "Money came for this order that does not fit it. Do not pay again: we are looking at it."


class NothingToRefund(Conflict):
    code = "nothing_to_refund"
    detail = "Of this payment {refundable} shillings can be given back; the rest was, or is on its way."


class OrderOpen(Conflict):
    code = "order_open"
    detail = "This order still waits for the rest of its money. Cancel it, and what was paid goes back."


class PaymentInProgress(Conflict):
    code = "payment_in_progress"
    detail = "A payment prompt for this order is open on the phone. Finish it there, or wait until it ends."


# --- 429: too often


class AccountLocked(ShopError):
    status, code = 429, "account_locked"
    detail = "Too many wrong passwords for this account. Wait {retry_after} seconds, or reset the password."

    @classmethod
    def for_seconds(cls, seconds: int) -> AccountLocked:
        """Make one that says how long."""
        error = cls(retry_after=seconds)
        error.retry_after = seconds
        return error


# --- 5xx: provider and database


class PaymentRefused(ShopError):
    status, code, detail = 502, "payment_refused", "M-Pesa refused the request: {reason}."


class PaymentUnavailable(ShopError):
    status, code, detail = (
        503,
        "payment_unavailable",
        "M-Pesa cannot be reached just now. Nothing was charged.",
    )
    retry_after = 10


class PhoneBusy(PaymentUnavailable):
    code = "phone_busy"
    detail = "Another payment prompt is open on this phone. Finish it there, or try again in a minute."
    retry_after = 60


class TooManyAtOnce(ShopError):
    status, code, detail = 503, "too_many_at_once", "Too many log in at this moment. Try again."
    retry_after = 2


class DatabaseUnavailable(ShopError):
    status, code, detail = 503, "database_unavailable", "The shop's database is away for a moment. Try again."
    retry_after = 2


class DatabaseBusy(ShopError):
    status, code, detail = 503, "database_busy", "Too many want the same thing at once. Try again."
    retry_after = 1
