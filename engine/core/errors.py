"""The tree of operating faults. Programmer errors are assertions, never these.

EngineError                      exit code of the command line
├── UsageError                   2   the command asks for something that does not exist
├── NotRunningError              3   a control verb found no engine in the state directory
├── DirectoryInUseError          3   another engine owns the state directory
├── ConfigError                  4   the configuration or the input data is wrong
│   ├── MarketDataError          4   a market file is unreadable or contradicts itself
│   └── CredentialsError         4   keys are missing, refused, or may do what they should not
├── UnreachableError             5   the exchange did not answer, or not sensibly: what was asked is unknown
│   ├── RateLimitedError         5   the exchange asked for silence until a time
│   └── UnreadableTradeError     5   a trade that the exchange lists makes no sense, and may never
├── OperatorNeededError          7   something only an operator can decide
├── StorageError                 1   the log could not be written: the outcome is unknown, stop and fold again
│   ├── LogReplacedError         6   the log's files were taken away or replaced while it was written
│   ├── DiskFullError            1
│   └── ConflictError            1   somebody else appended to the stream
├── LogDamagedError              6   the log is not what was written
│   └── LogTooNewError           6   the log was written by a newer version
└── ReplayDivergedError          6   deciding again gave something else
"""


class EngineError(Exception):
    """A fault the operator can act on; its text is one sentence that says how."""

    exit_code = 1


class UsageError(EngineError):
    """The command asks for something that does not exist, such as an unknown bot."""

    exit_code = 2


class NotRunningError(EngineError):
    """A control verb found no running engine in the state directory."""

    exit_code = 3


class DirectoryInUseError(EngineError):
    """Another engine process owns the state directory."""

    exit_code = 3


class ConfigError(EngineError):
    """A configuration value or an input file is wrong; names key, value and remedy."""

    exit_code = 4


class MarketDataError(ConfigError):
    """A market file is unreadable, unordered, contradictory or not numeric; names the row."""


class CredentialsError(ConfigError):
    """Keys are missing or refused, or may do more or less than they should; never shows them."""


class UnreachableError(EngineError):
    """The exchange did not answer, or not in a way that makes sense. A read may be repeated; a write is unknown."""

    exit_code = 5


class RateLimitedError(UnreachableError):
    """The exchange asked for silence; `until_ms` is engine time."""

    def __init__(self, text: str, until_ms: int) -> None:
        """Take the sentence and the end of the silence."""
        super().__init__(text)
        self.until_ms = until_ms


class UnreadableTradeError(UnreachableError):
    """The exchange did answer, and a trade that it lists makes no sense by itself: asking again may never help."""


class OperatorNeededError(EngineError):
    """The log and the exchange disagree in a way that only an operator can settle."""

    exit_code = 7


class StorageError(EngineError):
    """The log could not be written. Unknown, not failed: stop, reopen, fold again."""


class LogReplacedError(StorageError):
    """The log's files were taken away or replaced while they were written: a new start might begin another log."""

    exit_code = 6


class DiskFullError(StorageError):
    """No space is left for the log."""


class ConflictError(StorageError):
    """The stream does not end where the writer expected: a second writer, or a bug."""


class LogDamagedError(EngineError):
    """The log is not byte for byte what was written, or has lost its tail."""

    exit_code = 6


class LogTooNewError(LogDamagedError):
    """The log holds a format, tag or version this program does not know."""


class ReplayDivergedError(EngineError):
    """Deciding again over the recorded observations gave different events."""

    exit_code = 6
