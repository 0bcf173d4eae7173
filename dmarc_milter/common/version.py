"""The version of the program: semantic, and the only place where it is written."""

VERSION = "0.1.0"
