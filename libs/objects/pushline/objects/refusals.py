"""What an S3 store's refusal means for who runs the line: which setting to look at, or that there is no room."""

from minio.error import S3Error

_KEYS = "PUSHLINE_S3_ACCESS_KEY and PUSHLINE_S3_SECRET_KEY"
_FULL = "store_full: no room is left; nothing is lost, and it goes on once there is room again"
_MEANINGS = {
    "AccessDenied": f"the store does not let {_KEYS} do this; grant read, write and list on the bucket",
    "InvalidAccessKeyId": "the store does not know PUSHLINE_S3_ACCESS_KEY, or its account is disabled",
    "SignatureDoesNotMatch": "PUSHLINE_S3_SECRET_KEY is not the one of PUSHLINE_S3_ACCESS_KEY",
    "ExpiredToken": f"{_KEYS} have expired",
    "InvalidToken": f"{_KEYS} have expired",
    "RequestTimeTooSkewed": "the clock of this machine and the store's are too far apart; mend the one that is wrong",
    "NoSuchBucket": "PUSHLINE_S3_BUCKET names a bucket that is not there; `pushline store create` makes it",
    "AuthorizationHeaderMalformed": "PUSHLINE_S3_REGION is not the store's region",
    "XMinioStorageFull": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "QuotaExceeded": _FULL,
    "InsufficientStorage": _FULL,
}
INSUFFICIENT_STORAGE = 507


def sentence_of(error: S3Error) -> str:
    """Give the store's code, and behind it what that means, else what the store says itself. Names no key's value."""
    code = _code(error)
    meaning = _MEANINGS.get(code) or (_FULL if error.response.status == INSUFFICIENT_STORAGE else "")
    return f"{code}: {meaning or error.message}"


def _code(error: S3Error) -> str:
    """An answer to HEAD has no body; a MinIO says in a header what the SDK can only guess."""
    return error.response.headers.get("X-Minio-Error-Code") or error.code or f"HTTP {error.response.status}"
