"""`python -m forgetless`, and `torchrun -m forgetless`: the command line."""

from __future__ import annotations

from forgetless.cli import main

if __name__ == "__main__":
    main()
