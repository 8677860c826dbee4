"""Bytes from outside become checked records: JSON, XML and NDJSON readers, schemas, exact explanations.

Pure: nothing here reads a clock, a network or a file other than the packaged data.
"""
