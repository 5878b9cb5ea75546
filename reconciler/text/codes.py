"""A stable code for each kind of problem: what people search for, link to, and let a CI tell apart.

A code never changes its meaning and is never used again: a new kind of problem gets a new one. The first digit says
where the problem is: 0 the file and its YAML, 1 the shape of a document, 2 manifests among each other, 3 the project
file, 4 the live tables at plan time, 5 flags, environment and what the command line names.
"""

from enum import StrEnum


class Code(StrEnum):
    """The code of a kind of problem, with its summary, why it is one, and how to mend it."""

    summary: str
    why: str
    mend: str

    def __new__(cls, value: str, title: str, why: str, mend: str) -> "Code":
        """Make a member whose value is the code."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.summary, member.why, member.mend = title, why, mend
        return member

    @classmethod
    def of(cls, text: object) -> "Code":
        """Return the code of this text; UNKNOWN for any other, as another version of the program may write."""
        return next((code for code in cls if code == text), cls.UNKNOWN)

    # One row each for code and summary, why, and how to mend it.
    # fmt: off
    UNKNOWN = (
        "E000", "A problem without a known code",
        "The file that tells it was written by another version of the program.",
        "Read its message; make the file again with this version to get the code.")

    # The file and its YAML.
    UNREADABLE_FILE = (
        "E001", "The file cannot be read",
        "It is missing, may not be read, or is a pipe to which nothing was written.",
        "Check the path and the file's permissions.")
    TOO_LARGE = (
        "E002", "The file is too large or nested too deeply",
        "No file may keep the program busy: 1 MiB, 100,000 values (aliases written out) and 64 levels are the most.",
        "Split the file, and write out what long chains of aliases stand for.")
    NOT_UTF_8 = (
        "E003", "The file is not UTF-8",
        "Other encodings would be read differently on different machines.",
        "Save the file as UTF-8.")
    FORBIDDEN_CHARACTER = (
        "E004", "A character is not allowed",
        "Control characters, marks within a file and some line ends cannot be seen, or are read in different ways.",
        "Remove the character, or write it as an escape in double quotes. NUL is not allowed at all.")
    INVALID_YAML = (
        "E005", "This is not YAML",
        "The text cannot be read from this place on.",
        "Check the quotes, the brackets and the indentation at this place and in the lines above it.")
    TAB = (
        "E006", "A tab where only spaces are allowed",
        "YAML is indented with spaces; editors show tabs in different widths.",
        "Write spaces instead.")
    DUPLICATE_KEY = (
        "E007", "A key occurs twice",
        "Other readers silently keep the last one, which may not be the one that was meant.",
        "Remove one of the two.")
    KEY_NOT_TEXT = (
        "E008", "A key is not text",
        "Numbers, lists and the like are no names of settings.",
        "Put the key in quotes if it is meant as text.")
    TAG = (
        "E009", "A tag is not allowed",
        "Tags (`!…`) can make a reader build arbitrary objects; no manifest needs one.",
        "Remove the tag; put the value in quotes if it is meant as text.")
    ALIAS = (
        "E010", "An anchor, alias or merge key is wrong",
        "It has no value to stand for, stands for itself, or its name ends in an unclear place.",
        "Define the anchor before it is used, with a name of letters, digits, `-` and `_`; or write the value out.")
    YAML_VERSION = (
        "E011", "Another version of YAML",
        "Only YAML 1.1 and 1.2 are read, and a document states its version once at most.",
        "Remove the `%YAML` line.")
    NUMBER_TOO_LARGE = (
        "E012", "A number is too large",
        "A whole number may have 18 digits, and a fraction must be finite: more would be rounded silently.",
        "Put the value in quotes if it is meant as text, such as an id.")
    TOO_MANY_PROBLEMS = (
        "E013", "Not every problem is listed",
        "Only the first hundred problems of a file are, so that no file can flood the output.",
        "Mend those that are listed, then check again.")
    AMBIGUOUS_YAML = (
        "E014", "Versions of YAML read this differently",
        "It is unclear which of them is meant, and that may decide what is bought.",
        "Put the text in quotes, or write the space or the line break that the message names.")

    # The shape of a document.
    UNKNOWN_KEY = (
        "E101", "An unknown key",
        "It would have no effect: a misspelled limit, for instance, would not limit anything.",
        "Correct its spelling or remove it; the hint lists the keys that are allowed there.")
    MISSING_KEY = (
        "E102", "A key is missing",
        "Without it, what the document means is not known.",
        "Add the key. `schemas/README.md` lists every key.")
    WRONG_TYPE = (
        "E103", "A value of the wrong type",
        "A text, a number, a list or a mapping stands where another is needed.",
        "Write it as the message says; a number that is meant as text needs quotes.")
    UNKNOWN_CHOICE = (
        "E104", "A value that is not one of the choices",
        "Only certain words are known here.",
        "Choose one of those that the message names.")
    WRONG_FORMAT = (
        "E105", "A value in the wrong format",
        "Names, ids, URLs, ages and shares have a fixed form.",
        "Write it in the form that the message describes.")
    WRONG_SIZE = (
        "E106", "A value that is empty, too short or too long",
        "Texts, lists and mappings have a least and a greatest size.",
        "Shorten it, fill it, or leave the key out.")
    OUT_OF_RANGE = (
        "E107", "A number out of range",
        "Less or more than this makes no sense here.",
        "Choose a number within the bounds that the message names.")
    LISTED_TWICE = (
        "E108", "A list has an entry twice",
        "It has no effect the second time, so something else was probably meant.",
        "Remove or correct one of the two.")
    CONFLICTING_KEYS = (
        "E109", "Keys are combined wrongly",
        "Some keys exclude each other, need each other, or belong to one mode only.",
        "Keep those that you mean; the message says which go together.")
    REVISION_NEEDED = (
        "E110", "`mode: all` needs a `revision`",
        "As a standing state, `all` without a revision would buy the whole table again at each apply.",
        "Add e.g. `revision: 2026-q4`, and change it when you want the cells rerun; or `refresh: {every: 30d}`.")
    NOT_A_MANIFEST = (
        "E111", "The document is not a manifest",
        "Every YAML file in a folder that is searched is read as one.",
        "Add `apiVersion: reconciler/v1` and `kind: TableRun`, or move the file out of that folder.")
    UNKNOWN_KIND = (
        "E112", "An unknown kind of document",
        "A document is a manifest (`TableRun`) or a project file (`Project`).",
        "Correct `kind`.")

    # Manifests among each other, and their values.
    RUN_NAME_TAKEN = (
        "E201", "Two runs of a manifest have one name",
        "A run is selected and listed in the ledger by its name.",
        "Rename one of them.")
    MANIFEST_NAME_TAKEN = (
        "E202", "Two manifests have one name",
        "A manifest is selected and listed in the ledger by its name.",
        "Rename one of them.")
    COLUMN_CLAIMED_TWICE = (
        "E203", "Two manifests claim one column",
        "Each of them would pay for the same cells.",
        "Keep all runs for one column of a table in one manifest.")
    UNKNOWN_MANIFEST = (
        "E204", "A manifest that is not there",
        "`depends_on` and `child_of` name manifests that are planned together with this one.",
        "Correct the name, or name the other manifest's file too.")
    CIRCULAR_MANIFESTS = (
        "E205", "Manifests wait for each other",
        "None of them could ever begin.",
        "Remove one of the references.")
    INVALID_CALENDAR = (
        "E206", "A calendar that is wrong or never comes",
        "A calendar has five cron fields, each of its steps is taken, and it has dates.",
        "Write minute, hour, day of the month, month and day of the week: `0 6 * * 1` is every Monday at 6:00.")
    UNKNOWN_TIME_ZONE = (
        "E207", "An unknown time zone",
        "Time zones are known by their IANA names.",
        "Write a name such as `Europe/Berlin` or `UTC`.")
    INVALID_PATTERN = (
        "E208", "A regular expression that is wrong or too large",
        "Patterns are searched for with RE2, in linear time and bounded memory.",
        "See https://github.com/google/re2/wiki/Syntax; split a large pattern into several tests of an `any`.")
    NO_PATTERN_LIBRARY = (
        "E209", "The library for `matches` is not installed",
        "It is an extra, because it has no wheels for some systems; another engine would read patterns differently.",
        "Run `pip install google-re2`, or install with the extra `[matches]`.")
    IMPOSSIBLE_DATE = (
        "E210", "A date that no calendar has",
        "`gt` and `lt` compare numbers, or dates such as 2026-01-31.",
        "Write a valid date.")
    STRAY_PROJECT_FILE = (
        "E211", "A project file that has no effect",
        "It is not the one in use, so its limits and its ledger would silently be ignored.",
        "Rename it to `reconciler.yaml`, work in its folder (`reconciler -C DIR`), or name fewer files.")

    # The project file, limits, and a simulator's workspace.
    EMPTY_FILE = (
        "E301", "The file is empty",
        "A project file or a workspace needs a document.",
        "Write `apiVersion` and `kind`, or remove the file.")
    SEVERAL_DOCUMENTS = (
        "E302", "More than one document",
        "It would be unclear which of them applies.",
        "Keep one document.")
    NOT_A_PROJECT = (
        "E303", "The project file has another kind",
        "A file of this name holds the settings of a project.",
        "Write `kind: Project`, or rename the file.")
    LEDGER_NOT_UNDERSTOOD = (
        "E304", "The ledger's address is not understood",
        "It is neither a known URL nor clearly a path, and a new ledger would not know what was bought.",
        "Give a path such as ./ledger.db, sqlite:///path/to/ledger.db or postgresql://user@host/database.")
    LEDGER_LEADS_ELSEWHERE = (
        "E305", "A setting of the ledger's URL may lead elsewhere",
        "A project file may not choose to which server, with which file, a secret of the environment is used.",
        "Set the ledger in RECONCILER_LEDGER, or leave the setting out.")
    BELOW_THE_FLOOR = (
        "E306", "A time too short for the real API",
        "A slow answer would count as none, and a call that was paid for as one that never landed.",
        "Give at least the seconds that the message names; only an API on this machine may have less.")
    QUIET_PERIOD_TOO_SHORT = (
        "E307", "The quiet period is not longer than a call",
        "A call that is still on its way could be taken for one that never landed, and be paid for twice.",
        "Make `quiet_seconds` more than `send_within_seconds` and `call_seconds` together.")
    TOO_MANY_DECIMALS = (
        "E308", "A price or limit with too many decimal places",
        "Sums stay exact and short with 6 decimal places.",
        "Round it.")
    TABLE_LIMITED_TWICE = (
        "E309", "A table has two sets of limits",
        "Upper and lower case do not matter in a table's id.",
        "Keep one of the two.")
    IMPOSSIBLE_WORKSPACE = (
        "E310", "A workspace of the simulator that cannot be",
        "The API could not show such a table, column or row.",
        "Correct what the message names.")

    # The live tables, at plan time.
    UNKNOWN_COLUMN = (
        "E401", "The table has no such column",
        "It was renamed or deleted, or is misspelled.",
        "Name one of the columns that the message lists.")
    INPUT_COLUMN = (
        "E402", "An input column is named",
        "Input cells are never run.",
        "Remove it from `columns`.")
    COLUMN_NAMED_TWICE = (
        "E403", "A column is named twice, by key and by id",
        "It has no effect the second time, so something else was probably meant.",
        "Keep one of the two.")
    UNKNOWN_ROW = (
        "E404", "The table has no such row",
        "It was deleted, or its id is misspelled.",
        "Remove it from `rows`, or select rows by a condition.")
    NOT_IN_SNAPSHOT = (
        "E405", "The snapshot does not tell",
        "It holds the tables and conditions of the manifests it was taken with.",
        "Take a new snapshot, or plan from the live tables.")
    UNREADABLE_TABLE = (
        "E406", "A table cannot be read",
        "The API, or the snapshot, does not show it; the message says why.",
        "Check the table's id and the token's organization, or try again if the API was at fault.")
    UNKNOWN_TABLE = (
        "E407", "No table has this name or tag",
        "It was renamed or deleted, is misspelled, or is a child table.",
        "Correct it, or write the table's id. A child table is found with `child_of` or by its id.")
    AMBIGUOUS_TABLE = (
        "E408", "More than one table could be meant",
        "A run on the wrong table costs as much as one on the right table, so nothing is guessed.",
        "Write the id of the table that you mean.")
    NOT_A_FINDER = (
        "E409", "The column fills no child table",
        "Only columns that find people fill one.",
        "Name the column that fills the table.")
    UNREADABLE_REVISION = (
        "E410", "A file of the other revision cannot be read",
        "It is outside the repository or a link, so its content at that commit is not known.",
        "Compare with a folder instead, or keep the manifests in the repository as files.")

    # Flags, environment, and what the command line names.
    WRONG_SETTING = (
        "E500", "A flag, a variable or an argument is wrong",
        "It is missing, has an invalid value, or does not fit the others.",
        "See the message, and `reconciler COMMAND --help`.")
    NO_SUCH_PATH = (
        "E501", "There is no such file or folder",
        "Paths of the command line start at the working directory, those of the project file at its folder.",
        "Correct the path, or work in another folder with `reconciler -C DIR`.")
    NO_MANIFEST = (
        "E502", "There is no manifest",
        "The files and folders that were searched hold none.",
        "`reconciler init` writes a first one.")
    NOT_FOLLOWED = (
        "E503", "A link, pipe or device is not read",
        "It stands where a file should, and what it leads to could be quoted in a message that others read.",
        "Put the file itself there, or name the place that it leads to.")
    NO_PROJECT_FILE = (
        "E504", "The project file is not there or not usable",
        "The one that was named does not exist, there are two, or its name is almost right.",
        "Keep one file, called `reconciler.yaml`.")
    OTHER_PROJECT = (
        "E505", "Another project's ledger may know what was bought",
        "With the wrong ledger, all of it would be bought again.",
        "Work in that project's folder (`reconciler -C DIR`), or name project or ledger yourself.")
    UNCONFIRMED_ADDRESS = (
        "E506", "Only a file names this address",
        "The token is not sent to an address that a proposed change could have written.",
        "If the address is right, set EXTRUCT_API_URL to it, or use --api-url.")
    NO_TOKEN = (
        "E507", "There is no usable token",
        "It is not set, is empty, or its file cannot be read.",
        "Set EXTRUCT_API_TOKEN, or EXTRUCT_API_TOKEN_FILE to the path of a file that holds it.")
    UNUSABLE_LEDGER = (
        "E508", "No ledger can be kept there",
        "The address is not understood, its folder is missing, or the driver is not installed.",
        "Give a path such as ./ledger.db, sqlite:///path/to/ledger.db or postgresql://user@host/database.")
    GIT = (
        "E509", "git does not give the revision",
        "It is not installed, refuses to work here, or does not know the commit.",
        "Fetch the commit, name a folder instead, or follow git's own message.")
    NOTHING_SELECTED = (
        "E510", "Nothing has this name",
        "A selector, column, row, schema or code that was asked for is not there.",
        "Choose one of those that the hint lists.")
    UNUSABLE_FILE = (
        "E511", "A saved file cannot be used",
        "It is not what the command reads, is cut off, or cannot be written.",
        "Name another file, or make it again.")
    NETWORK_SETTING = (
        "E512", "A proxy, a certificate store or an address is not usable",
        "What was set cannot be read or is not understood.",
        "Correct the setting that the message names; `reconciler -v` shows where each is from.")
    # fmt: on
