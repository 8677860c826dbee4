"""Source records to FHIR and back, from the rows in `mappings/` (see `mappings/README.md`).

Pure: no network, no clock, no disk beyond the packaged data; a record in, a Bundle out, the same every time.
"""

from adapter.mapping.engine import Mapped, explain, map_record
from adapter.mapping.registry import mapping_for, mappings
from adapter.mapping.report import Report
from adapter.mapping.unmap import unmap

__all__ = ["Mapped", "Report", "explain", "map_record", "mapping_for", "mappings", "unmap"]
