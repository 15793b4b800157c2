"""What tests with real processes share. Knows protocol.md, not the programs' insides; Debian's Python 3.11 and its packages."""
