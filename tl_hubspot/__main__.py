"""`python -m tl_hubspot`: the same as the command `tl-hubspot`."""

from tl_hubspot.cli import main

if __name__ == "__main__":
    main()
