"""A stable code for each kind of problem: what people search for, link to, and let a CI tell apart.

A code never changes its meaning and is never used again: a new kind of problem gets a new one. The first digit says
where the problem is: 0 the file and its YAML, 1 the shape of a document, 2 manifests among each other, 3 the project
file, 4 the live tables at plan time, 5 flags, environment and what the command line names, 6 the API, 7 the plan,
8 the ledger.
"""

from enum import StrEnum

from reconciler.text.code_guide import GUIDE


class Code(StrEnum):
    """The code of a kind of problem, with its summary, why it is one, and how to mend it."""

    summary: str
    why: str
    mend: str

    def __new__(cls, value: str, summary: str) -> "Code":
        """Make a member whose value is the code."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.summary, (member.why, member.mend) = summary, GUIDE[value]
        return member

    @classmethod
    def of(cls, text: object) -> "Code":
        """Return the code of this text; UNKNOWN for any other, as another version of the program may write."""
        return next((code for code in cls if code == text), cls.UNKNOWN)

    UNKNOWN = "E000", "A problem without a known code"

    # The file and its YAML.
    UNREADABLE_FILE = "E001", "The file cannot be read"
    TOO_LARGE = "E002", "The file is too large or nested too deeply"
    NOT_UTF_8 = "E003", "The file is not UTF-8"
    FORBIDDEN_CHARACTER = "E004", "A character is not allowed"
    INVALID_YAML = "E005", "This is not YAML"
    TAB = "E006", "A tab where only spaces are allowed"
    DUPLICATE_KEY = "E007", "A key occurs twice"
    KEY_NOT_TEXT = "E008", "A key is not text"
    TAG = "E009", "A tag is not allowed"
    ALIAS = "E010", "An anchor, alias or merge key is wrong"
    YAML_VERSION = "E011", "Another version of YAML"
    NUMBER_TOO_LARGE = "E012", "A number is too large"
    TOO_MANY_PROBLEMS = "E013", "Not every problem is listed"
    AMBIGUOUS_YAML = "E014", "Versions of YAML read this differently"

    # The shape of a document.
    UNKNOWN_KEY = "E101", "An unknown key"
    MISSING_KEY = "E102", "A key is missing"
    WRONG_TYPE = "E103", "A value of the wrong type"
    UNKNOWN_CHOICE = "E104", "A value that is not one of the choices"
    WRONG_FORMAT = "E105", "A value in the wrong format"
    WRONG_SIZE = "E106", "A value that is empty, too short or too long"
    OUT_OF_RANGE = "E107", "A number out of range"
    LISTED_TWICE = "E108", "A list has an entry twice"
    CONFLICTING_KEYS = "E109", "Keys are combined wrongly"
    REVISION_NEEDED = "E110", "`mode: all` needs a `revision`"
    NOT_A_MANIFEST = "E111", "The document is not a manifest"
    UNKNOWN_KIND = "E112", "An unknown kind of document"

    # Manifests among each other, and their values.
    RUN_NAME_TAKEN = "E201", "Two runs of a manifest have one name"
    MANIFEST_NAME_TAKEN = "E202", "Two manifests have one name"
    COLUMN_CLAIMED_TWICE = "E203", "Two manifests claim one column"
    UNKNOWN_MANIFEST = "E204", "A manifest that is not there"
    CIRCULAR_MANIFESTS = "E205", "Manifests wait for each other"
    INVALID_CALENDAR = "E206", "A calendar that is wrong or never comes"
    UNKNOWN_TIME_ZONE = "E207", "An unknown time zone"
    INVALID_PATTERN = "E208", "A regular expression that is wrong or too large"
    NO_PATTERN_LIBRARY = "E209", "The library for `matches` is not installed"
    IMPOSSIBLE_DATE = "E210", "A date that no calendar has"
    STRAY_PROJECT_FILE = "E211", "A project file that has no effect"

    # The project file, limits, and a simulator's workspace.
    EMPTY_FILE = "E301", "The file is empty"
    SEVERAL_DOCUMENTS = "E302", "More than one document"
    NOT_A_PROJECT = "E303", "The project file has another kind"
    LEDGER_NOT_UNDERSTOOD = "E304", "The ledger's address is not understood"
    LEDGER_LEADS_ELSEWHERE = "E305", "A setting of the ledger's URL may lead elsewhere"
    BELOW_THE_FLOOR = "E306", "A time too short for the real API"
    QUIET_PERIOD_TOO_SHORT = "E307", "The quiet period is not longer than a call"
    TOO_MANY_DECIMALS = "E308", "A price or limit with too many decimal places"
    TABLE_LIMITED_TWICE = "E309", "A table has two sets of limits"
    IMPOSSIBLE_WORKSPACE = "E310", "A workspace of the simulator that cannot be"

    # The live tables at plan time.
    UNKNOWN_COLUMN = "E401", "The table has no such column"
    INPUT_COLUMN = "E402", "An input column is named"
    COLUMN_NAMED_TWICE = "E403", "A column is named twice, by key and by id"
    UNKNOWN_ROW = "E404", "The table has no such row"
    NOT_IN_SNAPSHOT = "E405", "The snapshot does not tell"
    UNREADABLE_TABLE = "E406", "A table cannot be read"
    UNKNOWN_TABLE = "E407", "No table has this name or tag"
    AMBIGUOUS_TABLE = "E408", "More than one table could be meant"
    NOT_A_FINDER = "E409", "The column fills no child table"
    UNREADABLE_REVISION = "E410", "A file of the other revision cannot be read"

    # Flags, environment, and what the command line names.
    WRONG_SETTING = "E500", "A flag, a variable or an argument is wrong"
    NO_SUCH_PATH = "E501", "There is no such file or folder"
    NO_MANIFEST = "E502", "There is no manifest"
    NOT_FOLLOWED = "E503", "A link, pipe or device is not read"
    NO_PROJECT_FILE = "E504", "The project file is not there or not usable"
    OTHER_PROJECT = "E505", "Another project's ledger may know what was bought"
    UNCONFIRMED_ADDRESS = "E506", "Only a file names this address"
    NO_TOKEN = "E507", "There is no usable token"
    UNUSABLE_LEDGER = "E508", "No ledger can be kept there"
    GIT = "E509", "git does not give the revision"
    NOTHING_SELECTED = "E510", "Nothing has this name"
    UNUSABLE_FILE = "E511", "A saved file cannot be used"
    NETWORK_SETTING = "E512", "A proxy, a certificate store or an address is not usable"

    # The API, and the forge.
    API_ERROR = "E600", "The API did not do what it was asked"
    NOT_SENT = "E601", "A call was not sent"
    REFUSED = "E602", "A request was refused"
    CALL_IN_DOUBT = "E603", "A call may have been paid for"
    BAD_RESPONSE = "E604", "A read failed"
    TOKEN_REFUSED = "E605", "The token is not accepted"
    OUT_OF_CREDITS = "E606", "The account cannot pay"
    NOT_FOUND = "E607", "The API does not know it"
    NO_CONNECTION = "E608", "There is no connection"
    NOT_TRUSTED = "E609", "A certificate is not trusted"

    # The plan, and its approval.
    PLAN_NOT_APPROVED = "E700", "The plan was not approved"
    ERRORED_PLAN = "E701", "The plan has errors"
    STALE_PLAN = "E702", "The plan is no longer approved"
    PLAN_FILE_NOT_UNDERSTOOD = "E703", "The plan file is not understood"
    PLAN_FILE_AGE = "E704", "The plan file is too old, or from the future"
    OTHER_PLACE = "E705", "The plan is for another API or ledger"
    LIMIT_EXCEEDED = "E706", "A limit is exceeded"

    # The ledger.
    LEDGER_ERROR = "E800", "The ledger does not allow it"
    LEASED = "E801", "Another apply is working on the table"
    CORRUPT_LEDGER = "E802", "The ledger is damaged, or not a ledger"
    UNWRITABLE_LEDGER = "E803", "The ledger cannot be written"
    NEWER_LEDGER = "E804", "The ledger was written by a newer version"
    UNREADABLE_LEDGER = "E805", "The ledger cannot be read"
    NO_LEDGER = "E806", "There is no ledger yet, or an older one"
    NO_SUCH_CALL = "E807", "The ledger has no such call"
    NOT_AN_EXPORT = "E808", "The file is not an export of a ledger"
    OTHER_HISTORY = "E809", "The export contradicts the ledger"
    APPLY_STOPPED = "E810", "The apply was stopped"
