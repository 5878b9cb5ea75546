"""Of each code of `codes.py`: why it is a problem, and how to mend it."""

from collections.abc import Mapping

# fmt: off
GUIDE: Mapping[str, tuple[str, str]] = {
    "E000": (  # unknown
        "The file that tells it was written by another version of the program.",
        "Read its message; make the file again with this version to get the code."),

    # The file and its YAML.
    "E001": (  # unreadable file
        "It is missing, may not be read, or is a pipe to which nothing was written.",
        "Check the path and the file's permissions."),
    "E002": (  # too large
        "No file may keep the program busy: 1 MiB, 100,000 values (aliases written out) and 64 levels are the most.",
        "Split the file, and write out what long chains of aliases stand for."),
    "E003": (  # not utf 8
        "Other encodings would be read differently on different machines.",
        "Save the file as UTF-8."),
    "E004": (  # forbidden character
        "Control characters, marks within a file and some line ends cannot be seen, or are read in different ways.",
        "Remove the character, or write it as an escape in double quotes. NUL is not allowed at all."),
    "E005": (  # invalid yaml
        "The text cannot be read from this place on.",
        "Check the quotes, the brackets and the indentation at this place and in the lines above it."),
    "E006": (  # tab
        "YAML is indented with spaces; editors show tabs in different widths.",
        "Write spaces instead."),
    "E007": (  # duplicate key
        "Other readers silently keep the last one, which may not be the one that was meant.",
        "Remove one of the two."),
    "E008": (  # key not text
        "Numbers, lists and the like are no names of settings.",
        "Put the key in quotes if it is meant as text."),
    "E009": (  # tag
        "Tags (`!…`) can make a reader build arbitrary objects; no manifest needs one.",
        "Remove the tag; put the value in quotes if it is meant as text."),
    "E010": (  # alias
        "It has no value to stand for, stands for itself, or its name ends in an unclear place.",
        "Define the anchor before it is used, with a name of letters, digits, `-` and `_`; or write the value out."),
    "E011": (  # yaml version
        "Only YAML 1.1 and 1.2 are read, and a document states its version once at most.",
        "Remove the `%YAML` line."),
    "E012": (  # number too large
        "A whole number may have 18 digits, and a fraction must be finite: more would be rounded silently.",
        "Put the value in quotes if it is meant as text, such as an id."),
    "E013": (  # too many problems
        "Only the first hundred problems of a file are, so that no file can flood the output.",
        "Mend those that are listed, then check again."),
    "E014": (  # ambiguous yaml
        "It is unclear which of them is meant, and that may decide what is bought.",
        "Put the text in quotes, or write the space or the line break that the message names."),

    # The shape of a document.
    "E101": (  # unknown key
        "It would have no effect: a misspelled limit, for instance, would not limit anything.",
        "Correct its spelling or remove it; the hint lists the keys that are allowed there."),
    "E102": (  # missing key
        "Without it, what the document means is not known.",
        "Add the key. `schemas/README.md` lists every key."),
    "E103": (  # wrong type
        "A text, a number, a list or a mapping stands where another is needed.",
        "Write it as the message says; a number that is meant as text needs quotes."),
    "E104": (  # unknown choice
        "Only certain words are known here.",
        "Choose one of those that the message names."),
    "E105": (  # wrong format
        "Names, ids, URLs, ages and shares have a fixed form.",
        "Write it in the form that the message describes."),
    "E106": (  # wrong size
        "Texts, lists and mappings have a least and a greatest size.",
        "Shorten it, fill it, or leave the key out."),
    "E107": (  # out of range
        "Less or more than this makes no sense here.",
        "Choose a number within the bounds that the message names."),
    "E108": (  # listed twice
        "It has no effect the second time, so something else was probably meant.",
        "Remove or correct one of the two."),
    "E109": (  # conflicting keys
        "Some keys exclude each other, need each other, or belong to one mode only.",
        "Keep those that you mean; the message says which go together."),
    "E110": (  # revision needed
        "As a standing state, `all` without a revision would buy the whole table again at each apply.",
        "Add e.g. `revision: 2026-q4`, and change it when you want the cells rerun; or `refresh: {every: 30d}`."),
    "E111": (  # not a manifest
        "Every YAML file in a folder that is searched is read as one.",
        "Add `apiVersion: reconciler/v1` and `kind: TableRun`, or move the file out of that folder."),
    "E112": (  # unknown kind
        "A document is a manifest (`TableRun`) or a project file (`Project`).",
        "Correct `kind`."),

    # Manifests among each other, and their values.
    "E201": (  # run name taken
        "A run is selected and listed in the ledger by its name.",
        "Rename one of them."),
    "E202": (  # manifest name taken
        "A manifest is selected and listed in the ledger by its name.",
        "Rename one of them."),
    "E203": (  # column claimed twice
        "Each of them would pay for the same cells.",
        "Keep all runs for one column of a table in one manifest."),
    "E204": (  # unknown manifest
        "`depends_on` and `child_of` name manifests that are planned together with this one.",
        "Correct the name, or name the other manifest's file too."),
    "E205": (  # circular manifests
        "None of them could ever begin.",
        "Remove one of the references."),
    "E206": (  # invalid calendar
        "A calendar has five cron fields, each of its steps is taken, and it has dates.",
        "Write minute, hour, day of the month, month and day of the week: `0 6 * * 1` is every Monday at 6:00."),
    "E207": (  # unknown time zone
        "Time zones are known by their IANA names.",
        "Write a name such as `Europe/Berlin` or `UTC`."),
    "E208": (  # invalid pattern
        "Patterns are searched for with RE2, in linear time and bounded memory.",
        "See https://github.com/google/re2/wiki/Syntax; split a large pattern into several tests of an `any`."),
    "E209": (  # no pattern library
        "It is an extra, because it has no wheels for some systems; another engine would read patterns differently.",
        "Run `pip install google-re2`, or install with the extra `[matches]`."),
    "E210": (  # impossible date
        "`gt` and `lt` compare numbers, or dates such as 2026-01-31.",
        "Write a valid date."),
    "E211": (  # stray project file
        "It is not the one in use, so its limits and its ledger would silently be ignored.",
        "Rename it to `reconciler.yaml`, work in its folder (`reconciler -C DIR`), or name fewer files."),

    # The project file, limits, and a simulator's workspace.
    "E301": (  # empty file
        "A project file or a workspace needs a document.",
        "Write `apiVersion` and `kind`, or remove the file."),
    "E302": (  # several documents
        "It would be unclear which of them applies.",
        "Keep one document."),
    "E303": (  # not a project
        "A file of this name holds the settings of a project.",
        "Write `kind: Project`, or rename the file."),
    "E304": (  # ledger not understood
        "It is neither a known URL nor clearly a path, and a new ledger would not know what was bought.",
        "Give a path such as ./ledger.db, sqlite:///path/to/ledger.db or postgresql://user@host/database."),
    "E305": (  # ledger leads elsewhere
        "A project file may not choose to which server, with which file, a secret of the environment is used.",
        "Set the ledger in RECONCILER_LEDGER, or leave the setting out."),
    "E306": (  # below the floor
        "A slow answer would count as none, and a call that was paid for as one that never landed.",
        "Give at least the seconds that the message names; only an API on this machine may have less."),
    "E307": (  # quiet period too short
        "A call that is still on its way could be taken for one that never landed, and be paid for twice.",
        "Make `quiet_seconds` more than `send_within_seconds` and `call_seconds` together."),
    "E308": (  # too many decimals
        "Sums stay exact and short with 6 decimal places.",
        "Round it."),
    "E309": (  # table limited twice
        "Upper and lower case do not matter in a table's id.",
        "Keep one of the two."),
    "E310": (  # impossible workspace
        "The API could not show such a table, column or row.",
        "Correct what the message names."),

    # The live tables at plan time.
    "E401": (  # unknown column
        "It was renamed or deleted, or is misspelled.",
        "Name one of the columns that the message lists."),
    "E402": (  # input column
        "Input cells are never run.",
        "Remove it from `columns`."),
    "E403": (  # column named twice
        "It has no effect the second time, so something else was probably meant.",
        "Keep one of the two."),
    "E404": (  # unknown row
        "It was deleted, or its id is misspelled.",
        "Remove it from `rows`, or select rows by a condition."),
    "E405": (  # not in snapshot
        "It holds the tables and conditions of the manifests it was taken with.",
        "Take a new snapshot, or plan from the live tables."),
    "E406": (  # unreadable table
        "The API, or the snapshot, does not show it; the message says why.",
        "Check the table's id and the token's organization, or try again if the API was at fault."),
    "E407": (  # unknown table
        "It was renamed or deleted, is misspelled, or is a child table.",
        "Correct it, or write the table's id. A child table is found with `child_of` or by its id."),
    "E408": (  # ambiguous table
        "A run on the wrong table costs as much as one on the right table, so nothing is guessed.",
        "Write the id of the table that you mean."),
    "E409": (  # not a finder
        "Only columns that find people fill one.",
        "Name the column that fills the table."),
    "E410": (  # unreadable revision
        "It is outside the repository or a link, so its content at that commit is not known.",
        "Compare with a folder instead, or keep the manifests in the repository as files."),

    # Flags, environment, and what the command line names.
    "E500": (  # wrong setting
        "It is missing, has an invalid value, or does not fit the others.",
        "See the message, and `reconciler COMMAND --help`."),
    "E501": (  # no such path
        "Paths of the command line start at the working directory, those of the project file at its folder.",
        "Correct the path, or work in another folder with `reconciler -C DIR`."),
    "E502": (  # no manifest
        "The files and folders that were searched hold none.",
        "`reconciler import TABLE` writes one, `reconciler init` a first project."),
    "E503": (  # not followed
        "It stands where a file should, and what it leads to could be quoted in a message that others read.",
        "Put the file itself there, or name the place that it leads to."),
    "E504": (  # no project file
        "The one that was named does not exist, there are two, or its name is almost right.",
        "Keep one file, called `reconciler.yaml`."),
    "E505": (  # other project
        "With the wrong ledger, all of it would be bought again.",
        "Work in that project's folder (`reconciler -C DIR`), or name project or ledger yourself."),
    "E506": (  # unconfirmed address
        "The token is not sent to an address that a proposed change could have written.",
        "If the address is right, set EXTRUCT_API_URL to it, or use --api-url."),
    "E507": (  # no token
        "It is not set, is empty, or its file cannot be read.",
        "Set EXTRUCT_API_TOKEN, or EXTRUCT_API_TOKEN_FILE to the path of a file that holds it."),
    "E508": (  # unusable ledger
        "The address is not understood, its folder is missing, or the driver is not installed.",
        "Give a path such as ./ledger.db, sqlite:///path/to/ledger.db or postgresql://user@host/database."),
    "E509": (  # git
        "It is not installed, refuses to work here, or does not know the commit.",
        "Fetch the commit, name a folder instead, or follow git's own message."),
    "E510": (  # nothing selected
        "A selector, column, row, schema or code that was asked for is not there.",
        "Choose one of those that the hint lists."),
    "E511": (  # unusable file
        "It is not what the command reads, is cut off, or cannot be written.",
        "Name another file, or make it again."),
    "E512": (  # network setting
        "What was set cannot be read or is not understood.",
        "Correct the setting that the message names; `reconciler -v` shows where each is from."),

    # The API, and the forge.
    "E600": (  # api error
        "The message says what was asked, and what came back.",
        "Follow the hint; `reconciler doctor` says whether the API can be reached and takes the token."),
    "E601": (  # not sent
        "Nothing left this machine, so nothing was paid for.",
        "Check the network, then apply again: the cells are still due."),
    "E602": (  # refused
        "The API or the forge said no and started nothing, so nothing was paid for.",
        "The status and the reasons are in the message; mend what they name, then run the command again."),
    "E603": (  # call in doubt
        "It was sent, and no answer came that can be trusted.",
        "Do not send it by hand. `reconciler plan` looks at the table again and says how the doubt ends."),
    "E604": (  # bad response
        "No answer came that is whole and in a known shape; reads were tried again and cost nothing.",
        "Try again later; if it stays, check the base URL, and report the message."),
    "E605": (  # token refused
        "The API or the forge answered 401 or 403: the token is wrong, has expired, or lacks a right.",
        "Set a token of the right organization and with the right to do this; `reconciler doctor` checks it."),
    "E606": (  # out of credits
        "The API answered 402: credits or a paid plan are missing.",
        "Top up the account, or narrow the plan."),
    "E607": (  # not found
        "It answered 404: the id is wrong, it was deleted, or the token's organization does not own it.",
        "Correct the id in the manifest, or use a token that sees it."),
    "E608": (  # no connection
        "The host's name is not known, nothing listens there, or the way to it is blocked.",
        "Check the network, the proxy and the base URL; `reconciler doctor` shows the way to each host."),
    "E609": (  # not trusted
        "The one that the server shows is not signed by an authority in the store in use, or is for another host.",
        "Name the right store with --ca-bundle, if the server is the right one."),

    # The plan, and its approval.
    "E700": (  # plan not approved
        "The prompt was answered with no, so nothing was sent.",
        "Narrow the plan with --target, or apply again."),
    "E701": (  # errored plan
        "A plan with errors may miss cells or limits, so none of it is sent.",
        "Mend the errors that it lists, each at its place; or leave their manifests out with --exclude."),
    "E702": (  # stale plan
        "A manifest, a column, a revision or a price is not what it was when the plan was made.",
        "Plan again, and have the new plan approved."),
    "E703": (  # plan file not understood
        "It was edited, cut off, made by another version, or is not a plan.",
        "Make it again with `reconciler plan --out FILE`; nothing in it may be changed by hand."),
    "E704": (  # plan file age
        "What was approved then may no longer be meant; a wrong clock cannot tell.",
        "Plan again, raise --plan-max-age, or set this machine's clock."),
    "E705": (  # other place
        "Another ledger does not know what was bought under this plan.",
        "Name the API and the ledger that it was made with, or plan again with these."),
    "E706": (  # limit exceeded
        "The plan costs more, or runs more cells, than was allowed; nothing of it is sent.",
        "Narrow the plan (--target, rows), or have the limit raised where it is set."),

    # The ledger.
    "E800": (  # ledger error
        "What was asked contradicts what the ledger holds.",
        "Look at the calls with `reconciler ledger show` and `reconciler ledger list`."),
    "E801": (  # leased
        "Two applies at a time could pay for the same cells.",
        "Wait until it has ended (--lease-timeout), or run `reconciler ledger release` if it is dead."),
    "E802": (  # corrupt ledger
        "What it holds cannot be, so what was bought is not known.",
        "Restore a backup, then run `reconciler ledger adopt` before anything is applied."),
    "E803": (  # unwritable ledger
        "Nothing is sent that could not be recorded.",
        "Check the disk, the permissions, or the server that the message names."),
    "E804": (  # newer ledger
        "This version does not know all that it says.",
        "Install the newer version of the program."),
    "E805": (  # unreadable ledger
        "Without it, what was bought is not known.",
        "Check the file, or the server and the network; then try again."),
    "E806": (  # no ledger
        "It is made or upgraded by hand where a mistake would forget what was bought.",
        "Run `reconciler ledger init`."),
    "E807": (  # no such call
        "No call's id begins like that, or several do.",
        "`reconciler ledger list` shows the calls and their ids."),
    "E808": (  # not an export
        "It is cut off, was edited, or is something else; nothing of it was taken in.",
        "`reconciler ledger export` writes one."),
    "E809": (  # other history
        "Both cannot be true of one history, so nothing was taken in.",
        "Import into a new ledger, or export again from the other one."),
    "E810": (  # apply stopped
        "A person or a refusal has stopped it, here or on another machine, so none of its calls may begin.",
        "See why it was stopped; then plan and apply again what is still due."),
}
# fmt: on
"""Code → why, and how to mend it."""
