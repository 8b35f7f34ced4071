"""What the stand raises."""


class StandError(Exception):
    """The stand cannot be assembled, started or used; the message says what to do."""


class ServiceError(Exception):
    """An error that one of the stand's AWS services answers a request with.

    Parameters
    ----------
    code : str
        The service's own name of the error, such as ``InvalidRequestException``.
    message : str
        Its text.
    status : int
        The HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class StatementError(Exception):
    """Why a statement failed; its text becomes Athena's ``StateChangeReason``.

    Parameters
    ----------
    name : str
        The engine's name of the error, such as ``HIVE_PATH_ALREADY_EXISTS``.
    message : str
        Its text.
    category : int
        Athena's ``ErrorCategory``: 1 the system's fault, 2 the user's, 3 other.
    """

    def __init__(self, name: str, message: str, category: int = 2) -> None:
        super().__init__(f"{name}: {message}")
        self.category = category
