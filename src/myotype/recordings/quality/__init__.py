"""Quality of recordings: what can be wrong with them, found in one pass, and a page that shows it."""

from myotype.recordings.quality.checking import check
from myotype.recordings.quality.findings import CODES, Code, Finding
from myotype.recordings.quality.report import Report

__all__ = ["CODES", "Code", "Finding", "Report", "check"]
