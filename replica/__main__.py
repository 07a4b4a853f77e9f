"""`python -m replica`: serve the replica from the command line."""

import argparse
import sys
from pathlib import Path

from replica.errors import ReplicaError
from replica.faults import read_plan
from replica.params import ReplicaParams, Style
from replica.serving import serve


def main(argv: list[str] | None = None) -> int:
    """Serve until told to end.

    Args:
        argv: Arguments; None takes the process's own.

    Returns:
        The exit code: 0 after a quiet end, 2 when there was nothing to serve or nowhere.
    """
    args = _parser().parse_args(argv)
    try:
        params = ReplicaParams(
            items=args.items,
            seed=args.seed,
            images=args.images,
            pixels=args.pixels,
            style=args.style,
            url=None,
        )
        faults = None if args.faults is None else read_plan(args.faults)
        ends = args.until_stdin_closes
        serve(params, args.port, faults=faults, log=args.log, until_stdin_closes=ends)
    except (ReplicaError, ValueError) as exc:
        sys.stderr.write(f"replica: {' '.join(str(exc).split())}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="replica", description="A loc.gov on loopback.")
    parser.add_argument("--items", type=int, required=True, help="items with an image")
    parser.add_argument("--seed", type=int, required=True, help="decides every generated print")
    parser.add_argument("--images", help="folder of prints to serve instead")
    parser.add_argument("--pixels", type=int, default=1280, help="long edge of a generated print")
    parser.add_argument(
        "--style",
        type=Style,
        choices=list(Style),
        default=Style.DRAWN,
        help="plain: patches of colour, made in milliseconds",
    )
    parser.add_argument("--faults", type=Path, help="fault plan, a YAML file")
    parser.add_argument("--log", type=Path, help="file that gets a JSON line for each request")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0: any free one")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end when standard input does"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
