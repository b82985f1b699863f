"""`python -m pushline.cli` is the `pushline` command."""

from pushline.cli.main import main

if __name__ == "__main__":
    main()
