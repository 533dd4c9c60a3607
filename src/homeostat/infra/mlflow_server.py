"""An MLflow server: one client, its errors as ours, and none of its noise."""

from __future__ import annotations

import logging
import os
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from homeostat.core.addresses import message_without_secrets, without_secrets
from homeostat.errors import LearningError, Unreachable

ANSWER_S = 10
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED")
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE")


def quiet_mlflow() -> Any:
    """The package, without telemetry, progress bars and long waits; what the user set stays.

    Raises:
        LearningError: HS384, it is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mlflow
    except ImportError as error:
        raise LearningError("HS384", "MLflow is not installed", next_step="pip install 'homeostat[mlflow]'") from error
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    return mlflow


@contextmanager
def asking(uri: str) -> Iterator[Any]:
    """A client of the server at an address, tracking and registry in one; what it raises is told in our words.

    Raises:
        Unreachable: HS801, the server does not answer.
        LearningError: HS386, it refuses; HS383, what was named is not there; HS384, MLflow is not installed.
    """
    if uri.startswith(("http://", "https://")):
        _require_answer(uri)
    mlflow = quiet_mlflow()
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        except MlflowException as error:
            raise _told(error, uri) from error
        except RequestException as error:
            raise _silent(uri, str(error)) from error


def _require_answer(uri: str) -> None:
    """Ask once, shortly, before a client that asks again and again."""
    request = urllib.request.Request(f"{without_user(uri).rstrip('/')}/health")  # noqa: S310 - http or https, seen by the caller
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S):  # noqa: S310 - see above
            return
    except urllib.error.HTTPError:
        return  # something answers; what it means to say comes with the first question
    except (OSError, ValueError) as error:
        raise _silent(uri, str(error)) from error


def without_user(uri: str) -> str:
    """The address without the name and password before its host."""
    scheme, _, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _silent(uri: str, said: str) -> Unreachable:
    told = message_without_secrets(said, uri)[:200]
    step = "start it, or give another address; `mlflow server` starts one"
    return Unreachable("HS801", f"the MLflow server does not answer: {told}", place=without_secrets(uri), next_step=step)


def _told(error: Any, uri: str) -> Exception:
    said, code = message_without_secrets(str(error), uri)[:300], str(getattr(error, "error_code", ""))
    place = without_secrets(uri)
    if code in _REFUSED or any(status in said for status in ("error code 401", "error code 403", "status 401", "status 403")):
        step = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, of an account that may do this"
        return LearningError("HS386", f"the MLflow server does not let you do this: {said}", place=place, next_step=step)
    if code in _ABSENT:
        return LearningError("HS383", said, place=place, next_step="`mlflow models` or the server's page lists what there is")
    if "Max retries" in said or "Connection" in said:
        return _silent(uri, said)
    return LearningError("HS386", f"the MLflow server answers with an error: {said}", place=place)
