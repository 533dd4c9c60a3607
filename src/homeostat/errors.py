"""Every error Homeostat raises on purpose, and the codes that name them.

    HomeostatError                 exit 1   a fault of ours, or the root of all others
    ├── InputError                 exit 2   what the user gave is wrong
    │   ├── CharterError                    the charter                     HS1xx
    │   ├── DataError                       data, contract, source          HS2xx
    │   ├── LearningError                   what cannot be learned          HS3xx
    │   ├── BundleError                     a bundle that must not be used  HS4xx
    │   ├── RequestError                    a request to a served model     HS5xx
    │   └── ProjectError                    project, ledger, state, port    HS6xx
    ├── Refusal                    exit 3   the answer is no                HS7xx
    └── Unreachable                exit 4   a service does not answer       HS8xx

A message says what was wrong, what was got, what is allowed; ``place`` says where and ``next_step`` what to do.
"""

from __future__ import annotations

from typing import ClassVar

CODES: dict[str, str] = {
    "HS001": "an internal fault: please report it with the printed detail",
    "HS101": "the charter file is missing or cannot be read",
    "HS102": "the charter is not valid YAML",
    "HS103": "a clause the charter does not know",
    "HS104": "a required clause is missing",
    "HS105": "a clause has a value of the wrong type or outside what is allowed",
    "HS106": "two clauses contradict each other",
    "HS107": "the charter's version is newer than this program",
    "HS112": "the success metric does not fit the task",
    "HS113": "the value section does not fit the task",
    "HS114": "the metric mapping contradicts itself",
    "HS115": "a guardrail cannot hold",
    "HS116": "the baseline cannot be measured",
    "HS117": "a private column is needed elsewhere",
    "HS118": "a source, table or join cannot be read as described",
    "HS119": "a decision about learning cannot be carried out",
    "HS120": "several objectives cannot be learned or added up",
    "HS201": "a data file is missing or cannot be read",
    "HS202": "a data file holds no rows",
    "HS203": "a column named by the charter or contract is not in the data",
    "HS204": "the target column is missing from the data",
    "HS205": "a line of a data file cannot be parsed",
    "HS206": "the contract file is missing or not valid",
    "HS207": "too many rows break the contract; the whole delivery is refused",
    "HS208": "the data's schema changed in a breaking way",
    "HS209": "a file of this kind cannot be read",
    "HS210": "labels cannot be joined to predictions",
    "HS211": "a table the contract looks into was not given",
    "HS212": "an SQL rule of the contract fails on the rows",
    "HS215": "a database cannot answer as the source asks: its table, query or watermark",
    "HS216": "a source refuses to be read",
    "HS217": "a source needs a package that is not installed",
    "HS218": "a raw file is missing or was altered",
    "HS219": "the address of a source is of no kind that can be read",
    "HS220": "the rows as a whole break the contract; no dataset version was made",
    "HS221": "a row given as mended is not in quarantine, or comes twice",
    "HS225": "a point-in-time join cannot be made",
    "HS226": "the feature SQL is not valid",
    "HS227": "the feature SQL doubles rows, or loses where they came from",
    "HS228": "the feature SQL does what is not allowed",
    "HS229": "the key of the pseudonyms is missing, another one, or open to others",
    "HS230": "labels cannot be joined to the rows of the dataset",
    "HS231": "a labelling rule is not valid",
    "HS301": "the target has one class or one value only",
    "HS302": "too few rows to split, train and judge",
    "HS303": "no trial succeeded within the budget",
    "HS304": "a column of this kind cannot be prepared",
    "HS308": "what the charter asks for does not fit the column",
    "HS309": "the rows cannot be cut as asked",
    "HS310": "a learner's library is not installed",
    "HS311": "a record cannot be trained again",
    "HS320": "resampled training rows cannot be learned from",
    "HS330": "no explained row lies in the segment asked for",
    "HS331": "a sum of several models is not studied or tested as one",
    "HS332": "a group of columns to leave out has one that is no input",
    "HS340": "the source of the team's own estimator is not there",
    "HS341": "the team's own estimator failed",
    "HS350": "intervals do not fit the task",
    "HS351": "a column cannot group the intervals",
    "HS352": "too few rows to say how wide intervals must be",
    "HS355": "a forecast cannot be made as the charter asks for it",
    "HS356": "times of a series do not lie whole steps apart",
    "HS357": "two rows of a series have the same time",
    "HS358": "a column has a name that the rows of a forecast need",
    "HS359": "nothing can be forecast from this moment",
    "HS360": "the charter asks for no forecast",
    "HS365": "the library of the engine that runs trials is not installed",
    "HS366": "the engine that runs trials does not start",
    "HS367": "the engine has nothing that trials could run on",
    "HS368": "the process that fitted a model died each time",
    "HS375": "a model file is missing, damaged or of no kind that can be adopted",
    "HS376": "a model from outside cannot be wrapped",
    "HS377": "the inputs of a model from outside do not fit the columns",
    "HS378": "the outputs of a model from outside do not fit the target",
    "HS379": "what a model from outside answers cannot be used",
    "HS380": "reading this model would run code that came with it",
    "HS381": "an adopted model was trained elsewhere and cannot be trained again",
    "HS382": "the reference rows of an adopted model have no labels",
    "HS383": "an MLflow address names nothing that is there",
    "HS384": "a package that reads or writes models of this kind is not installed",
    "HS385": "a converted model does not predict what the model itself predicts",
    "HS386": "an MLflow server refuses what was asked",
    "HS401": "the bundle is missing, damaged or altered",
    "HS403": "the bundle is of a format this program does not read",
    "HS410": "the model holds a part that cannot be written for this target",
    "HS411": "an exported model does not answer what the bundle answers",
    "HS420": "a row of a batch cannot be scored",
    "HS421": "the input of a batch changed while it was scored",
    "HS422": "another process is writing the same output",
    "HS423": "files that are scored together have different columns",
    "HS430": "the traffic asked for does not add up, or names a column it cannot look at",
    "HS431": "a version is not right for requests that are made for the champion",
    "HS440": "a partition of the prediction log is damaged",
    "HS441": "the prediction log cannot be searched for this entity",
    "HS450": "an aggregate is taken of a column that is no number",
    "HS451": "a row does not say what its features are looked up by",
    "HS452": "features are older than the charter allows",
    "HS453": "features cannot be looked up: the online table does not hold what the model learned with",
    "HS454": "events cannot be taken in for this table",
    "HS455": "an event is not what its table holds",
    "HS456": "the online table cannot be opened, read or written",
    "HS457": "features are asked for as of a moment that is no longer held",
    "HS470": "a token of this name is in force",
    "HS471": "a token is needed, or this one may not ask for that",
    "HS472": "the server would be open to other machines without tokens",
    "HS473": "the server's workers die as soon as they are started",
    "HS501": "the request body is not what this address expects",
    "HS502": "a field of a row is missing, unknown or has a wrong value",
    "HS503": "the request is over a limit",
    "HS504": "no such model, version or address",
    "HS505": "no model is promoted yet",
    "HS506": "the server has as much to do as it can",
    "HS601": "the folder is not a Homeostat project",
    "HS602": "the project folder cannot be written",
    "HS603": "another process holds the project's loop",
    "HS604": "the port is in use",
    "HS605": "no such fact, version or prediction in the ledger",
    "HS606": "the ledger was written by a newer program",
    "HS607": "the folder already holds something that would be overwritten",
    "HS608": "a step of the lifecycle that must come first has not run",
    "HS609": "a command-line value is not allowed",
    "HS610": "the ledger's address or file is not a ledger, or is damaged",
    "HS620": "an entry of the ledger that is relied on was altered",
    "HS621": "versions are asked for by a condition or a metric that they don't have",
    "HS701": "a gate failed",
    "HS703": "nothing to roll back to",
    "HS705": "the pointer was moved in between; nothing was moved",
    "HS710": "the signing key is missing, another one, out of date, open to others, or would lie in the project",
    "HS711": "a signature is missing, or does not fit what it signs",
    "HS712": "a signature was made with a key that the project does not know, or that was not valid then",
    "HS713": "the charter asks for staging first",
    "HS714": "an approval is missing or was refused",
    "HS715": "this approval cannot be given",
    "HS801": "a service does not answer",
    "HS802": "the database does not answer",
    "HS803": "work did not end in the time given",
    "HS804": "a source does not answer, or broke off each time",
    "HS805": "a file kept changing while it was copied",
}


class HomeostatError(Exception):
    """A failure with a stable code; ``str(error)`` is the one line a person reads.

    Args:
        code: a key of ``CODES``.
        message: what was wrong, what was got and what is allowed, in one sentence.
        place: where: a clause, ``file:line``, a column, a row.
        next_step: what the reader can do now.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, message: str, *, place: str = "", next_step: str = "") -> None:
        if code not in CODES:
            raise ValueError(f"unknown error code {code!r}; add it to homeostat.errors.CODES")
        self.code = code
        self.message = message
        self.place = place
        self.next_step = next_step
        super().__init__(self.line())

    def line(self) -> str:
        """The error in one line: kind, code, place, message, next step."""
        where = f" {self.place}" if self.place else ""
        after = f"; {self.next_step}" if self.next_step else ""
        text = f"{type(self).__name__}[{self.code}]{where}: {self.message}{after}"
        return " ".join(text.split())

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.code, self.message, self.place, self.next_step), self.__dict__)


def _rebuild(kind: type[HomeostatError], code: str, message: str, place: str, next_step: str) -> HomeostatError:
    return kind(code, message, place=place, next_step=next_step)


class InputError(HomeostatError):
    """What the user gave is wrong."""

    exit_code = 2


class CharterError(InputError):
    """The charter is wrong. ``others`` holds what else is wrong in the same file, in the order of its lines."""

    def __init__(self, code: str, message: str, *, others: tuple[CharterError, ...] = (), place: str = "", next_step: str = "") -> None:
        super().__init__(code, message, place=place, next_step=next_step)
        self.others = others


class DataError(InputError):
    """A source, a data file, a contract or labels are wrong."""


class LearningError(InputError):
    """The data cannot be learned from as asked."""


class BundleError(InputError):
    """A bundle must not be used."""


class RequestError(InputError):
    """A request to a served model is wrong.

    ``status`` is the HTTP status; ``fields`` lists one mapping per bad field (``row``, ``field``, ``got``, ``allowed``).
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 400,
        fields: tuple[dict[str, object], ...] = (),
        place: str = "",
        next_step: str = "",
    ) -> None:
        super().__init__(code, message, place=place, next_step=next_step)
        self.status = status
        self.fields = fields


class ProjectError(InputError):
    """The project's folder, ledger, lease or a local resource is not usable as asked."""


class Refusal(HomeostatError):
    """The answer is no: a gate failed, the goal is not feasible, an alarm is open."""

    exit_code = 3


class Unreachable(HomeostatError):
    """A service or database does not answer."""

    exit_code = 4
