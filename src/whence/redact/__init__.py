"""Secrets and personal data are masked here, before anything leaves the process.

What comes in: a value a program wants recorded (any object), or the compact JSON it was encoded to.
What goes out: the same value made of JSON types only, with secrets masked, and flags that say what was changed.

    prefilter.suspicious(body)   does this record need the slow path at all? (about a microsecond)
    value.clean(value)           the slow path: walk, describe, mask, cut, hash according to the capture level
    text.redact_text(text)       one string: every match becomes ``[REDACTED:<kind>]``
    keys.is_secret_key(name)     does this name announce a secret?
    capture                      the four capture levels, keyed hashes of text, previews
    rules                        what is looked for, and how

What is found: credentials by their shape or by the name in front of them, private key blocks, JSON web tokens,
passwords in URLs, e-mail addresses, formatted or announced phone numbers, payment cards (Luhn), IBANs (mod 97).

What is NOT found: **names of persons and street addresses**, dates of birth, national ids other than a dashed US
social security number, bare digit runs that nothing announces as a phone number, and anything encoded (base64, URL
escapes, HTML entities) or split by a line break. That is why streams of human utterances default to the capture level
``preview``: a keyed hash and at most 80 characters.

Failure is closed: a value the redactor cannot handle is dropped and flagged, never kept raw.
"""
