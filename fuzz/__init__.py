"""Fuzz targets for everything that reads octets from the wire. See targets.py, and __main__.py to run one for long."""
