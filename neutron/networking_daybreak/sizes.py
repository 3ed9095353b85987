"""data: how long the names are that the tables hold."""

KIND = 36
ID = 64
MEMBER = 64
REASON = 1024
REPORT = 4096

CLIENT = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"
"""What the controller takes as a client's name."""
