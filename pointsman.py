"""The `pointsman` command: a door to `adapters.cli` that says plainly when something stands in it."""

import sys
from pathlib import Path


def main() -> None:
    """Run the command line of the `adapters` package beside this file."""
    import adapters  # noqa: PLC0415 - looked at before anything below it is imported

    here = Path(__file__).resolve().parent
    found = Path(adapters.__file__ or "").resolve().parent
    if found.parent != here:
        sys.exit(
            f"pointsman: another package called 'adapters' hides ours: found {found}, want {here / 'adapters'}.\n"
            "Install pointsman into an environment of its own."
        )
    from adapters.cli import cli  # noqa: PLC0415 - as above

    cli()


if __name__ == "__main__":
    main()
