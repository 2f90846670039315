"""Python programs that a model wrote, run where they can do no harm; see `running`."""

from forgetless.tasks.sandbox.running import Ending, Limits, Program, require_sandbox, run_all, run_program

__all__ = ["Ending", "Limits", "Program", "require_sandbox", "run_all", "run_program"]
