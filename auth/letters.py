"""The mails about an account: what each says. Which event sends which stands in the handlers."""

from __future__ import annotations

from string import Template

LETTERS = {
    "account.api_key_created": (
        "A new API key for your account",
        "An API key was just made for your account $username. A program that has it may do some of what you may.\n\n"
        "If that was not you, revoke it, and change your password at once: $shop/forgot-password",
    ),
    "account.email_changed": (
        "Your account has another e-mail address",
        "The e-mail address of your account $username was just changed; this is the last mail to this one.\n\n"
        "If that was not you, tell us at once.",
    ),
    "account.locked": (
        "Somebody tries to guess your password",
        "Too many wrong passwords were tried for your account $username, so nobody can log in to it for a while.\n\n"
        "If that was you: wait, or ask for a new password. If not, there is nothing to do: nobody got in.",
    ),
    "account.new_login": (
        "A new log-in to your account",
        "Somebody, hopefully you, logged in to your account $username from a device or a place that we have not seen"
        " before:\n\n$device, at $address\n\n"
        "If that was not you, change your password at once: $shop/forgot-password",
    ),
    "account.password_changed": (
        "Your password was changed",
        "The password of your account $username was just changed, and all other devices were logged out.\n\n"
        "If that was not you, ask for a new password at once: $shop/forgot-password",
    ),
    "account.token_reused": (
        "A session of yours was closed",
        "A spent key to your account $username was used again. Somebody may have copied it, so that session is closed"
        " on every device that shares it:\n\n$device, at $address\n\n"
        "Log in again. If you do not know that device, change your password: $shop/forgot-password",
    ),
    "account.totp_enabled": (
        "Your second factor is on",
        "From now on, a log-in to your account $username needs a code of your authenticator. Keep the recovery codes in"
        " a safe place. All other devices were logged out.",
    ),
    "account.totp_ended": (
        "Your second factor is off",
        "A log-in to your account $username needs no code any more.\n\n"
        "If that was not you, change your password at once: $shop/forgot-password",
    ),
    "account.totp_reset": (
        "Your second factor was taken away",
        "The shop's staff took the second factor of your account $username away, as you asked; all devices were logged"
        " out. Log in with your password and set a new one up: $shop/account/security\n\n"
        "If you did not ask for that, change your password at once: $shop/forgot-password",
    ),
    "account.recovery_code_used": (
        "A recovery code was used",
        "Somebody, hopefully you, logged in to your account $username with a recovery code; $left are left.\n\n"
        "If that was not you, change your password at once: $shop/forgot-password",
    ),
    "reset_password": (
        "A new password for your account",
        "Somebody, hopefully you, asked for a new password for your account $username. Choose it here within an"
        " hour:\n\n$shop/reset-password?token=$token\n\n"
        "If that was not you, there is nothing to do: the old password stays.",
    ),
    "verify_email": (
        "Please verify your e-mail address",
        "Karibu $username! Show us that this address is yours, within three days:\n\n"
        "$shop/verify-email?token=$token\n\nIf you have no account with us, there is nothing to do.",
    ),
}
"""Subject and text of each; what stands behind a $ is filled in."""

NOTICES = {
    "account.api_key_created": "If that was not you, revoke it, and change your password at once.",
    "account.email_changed": "From now on we write to $email. If that was not you, change your password at once.",
    "account.locked": "Too many wrong passwords were tried, so nobody could log in for a while. Nobody got in.",
    "account.new_login": "$device, at $address. If that was not you, change your password at once.",
    "account.password_changed": "All other devices were logged out. If that was not you, ask for a new one at once.",
    "account.recovery_code_used": "$left are left. If that was not you, change your password at once.",
    "account.token_reused": "$device, at $address. If you do not know that device, change your password.",
    "account.totp_enabled": "A log-in needs a code of your authenticator from now on.",
    "account.totp_ended": "A log-in needs no code any more. If that was not you, change your password at once.",
    "account.totp_reset": "Our staff took it away, as you asked. If you did not, change your password at once.",
}
"""What the shop says inside of it, under the subject of the mail."""

ALWAYS_MAILED = {topic for topic in NOTICES if topic not in ("account.api_key_created", "account.new_login")}
"""Mails that are sent whatever was wished: who takes an account over could else keep its owner from hearing of it."""


def write_notice(topic: str, **facts: object) -> tuple[str, str]:
    """Return the title and the text of a notification."""
    return LETTERS[topic][0], Template(NOTICES[topic]).substitute(facts)


def write(name: str, **facts: object) -> tuple[str, str]:
    """Return the subject and the text of a mail."""
    subject, text = LETTERS[name]
    choice = "\n\nWhich mails you get: $shop/account/notifications" if name in NOTICES.keys() - ALWAYS_MAILED else ""
    return subject, Template(text + choice).substitute(facts) + "\n\nDuka\n"
