"""The reports of a run: views of `run.json` and `exchanges.jsonl`, which hold the whole judgement."""

from pdpp_conformance.report.har import write_har
from pdpp_conformance.report.html import write_html
from pdpp_conformance.report.junit import write_junit
from pdpp_conformance.report.terminal import render_summary

__all__ = ["render_summary", "write_har", "write_html", "write_junit"]
