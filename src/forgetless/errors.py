"""The one exception tree.

A `UserError` is something the person running forgetless can mend: it names the field, the value, the rule that
the value breaks and the way out, and the command line prints it without a traceback and exits with 2. Anything
else that is raised is a bug, and shows its traceback.
"""

from __future__ import annotations


class ForgetlessError(Exception):
    """Base of every exception that forgetless raises on purpose."""


class UserError(ForgetlessError):
    """Input that cannot be used, said so that the reader knows what to change.

    Args:
        field: The recipe field, option or file that is at fault, as the user wrote it.
        value: The offending value; shortened when printed.
        rule: What a valid value looks like, or what went wrong with this one.
        way_out: What to do about it.
    """

    exit_code = 2

    def __init__(self, *, field: str, value: object, rule: str, way_out: str) -> None:
        self.field = field
        self.value = value
        self.rule = rule
        self.way_out = way_out
        super().__init__(str(self))

    def __str__(self) -> str:
        shown = str(self.value)
        if len(shown) > 200:
            shown = shown[:197] + "..."
        return f"`{self.field}`: {shown}\n  {self.rule}\n  hint: {self.way_out}"


class RecipeError(UserError):
    """A recipe that does not parse or does not validate."""


class DataError(UserError):
    """A data file that cannot be read as rows or items."""


class ModelError(UserError):
    """A model that cannot be loaded, saved, or used for what was asked."""


class EndpointError(UserError):
    """A server that cannot be reached, refuses what it is asked, or does not serve what the recipe says."""


class TaskError(UserError):
    """A task that cannot be measured or judged as asked."""


class RunFolderError(UserError):
    """A run folder that is in use, incomplete, or cannot be written."""


class ResourceError(UserError):
    """A run that this machine has no room for."""


class NonFiniteLossError(ForgetlessError):
    """Training produced a loss that is not a number; raised before the weights are touched."""

    exit_code = 4
