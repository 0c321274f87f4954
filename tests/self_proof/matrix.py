"""The proof to look at: a page with a line for each fault and a column for each requirement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, StrictUndefined

from pdpp_conformance.catalogue import Catalogue

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Every check is proven able to fail</title>
<style>
 :root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 14%, transparent) }
 body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem; max-width: 60rem }
 .matrix { width: calc(100vw - 4rem); max-height: 85vh; overflow: auto; border: 1px solid var(--line) }
 table { border-collapse: collapse; font-size: 12px }
 thead th { position: sticky; top: 0; background: Canvas; writing-mode: vertical-rl; transform: rotate(180deg);
   padding: 4px 0; font-weight: normal; z-index: 1 }
 tbody th { position: sticky; left: 0; background: Canvas; text-align: left; font-weight: normal; white-space: nowrap;
   padding: 0 8px }
 td { width: 14px; min-width: 14px; height: 14px; border: 1px solid var(--line); text-align: center; padding: 0 }
 .red { background: #2e7d32; color: #fff } .missing { background: #c62828; color: #fff }
 .unexpected { background: #ef6c00; color: #fff }
 .wrong th { color: #c62828; font-weight: bold }
 @media (prefers-color-scheme: dark) { .wrong th { color: #ff8a80 } }
 .key td + td { width: auto; padding: 0 8px; white-space: nowrap; border: 0 }
</style>
<h1>Every check is proven able to fail</h1>
<p>{{ report.faults | length }} deliberate defects of the bundled server, one at a time; {{ exact }} of them turned
exactly the requirements red that they declare. Run for each: {{ report.scope }}.</p>
<table class="key">
<tr><td class="red">●<td>declared, and red
<tr><td class="missing">○<td>declared, and not red
<tr><td class="unexpected">!<td>red, and not declared
</table>
{% if wrong %}<h2>Not as declared</h2>
<ul>{% for fault in wrong %}<li><b>{{ fault.name }}</b>: {{ fault.what }}
{%- if fault.missing %} Not red: {{ fault.missing | join(", ") }}.{% endif %}
{%- if fault.unexpected %} Red, not declared: {{ fault.unexpected | join(", ") }}.{% endif %}
{%- if fault.errors %} The harness stumbled over {{ fault.errors | join(", ") }}.{% endif %}{% endfor %}</ul>{% endif %}
{% if report.rows_never_red %}<h2>Declared, and never red</h2>
<p>{{ report.rows_never_red | join(", ") }}</p>{% endif %}
<h2>Defects and requirements</h2>
<div class="matrix" tabindex="0" role="region" aria-label="Defects and requirements"><table>
<thead><tr><th>{% for row in rows %}<th scope="col" title="{{ text[row] }}">{{ row }}{% endfor %}
<tbody>{% for fault in report.faults %}
<tr{% if not fault.ok %} class="wrong"{% endif %}><th scope="row" title="{{ fault.what }}">{{ fault.name }}
{%- for row in rows -%}
{%- if row in fault.missing %}<td class="missing" title="{{ row }}">○
{%- elif row in fault.unexpected %}<td class="unexpected" title="{{ row }}">!
{%- elif row in fault.red %}<td class="red" title="{{ row }}">●
{%- else %}<td>{% endif %}{% endfor %}{% endfor %}
</table></div>
<h2>Requirements without a defect</h2>
<ul>{% for row in report.rows_without_fault %}<li>{{ row.id }}: {{ row.reason }}{% endfor %}</ul>
</html>
"""


def matrix(report: Mapping[str, Any], catalogue: Catalogue) -> str:
    """Return the page.

    Args:
        report: what :func:`tests.self_proof.outcome.report_of` returns.
    """
    faults = report["faults"]
    rows = sorted({row for fault in faults for row in (*fault["declared"], *fault["red"])})
    wrong = [fault for fault in faults if not fault["ok"]]
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)
    return page.render(
        report=report,
        rows=rows,
        wrong=wrong,
        exact=len(faults) - len(wrong),
        text={row: catalogue.requirements[row].text for row in rows if row in catalogue.requirements},
    )
