"""`python -m captain`."""

from captain.cli import main

if __name__ == "__main__":
    main()
