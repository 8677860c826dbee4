"""Resources: the document itself, contained ones and those inside Bundles and Parameters.

Also what R4 asks of contained resources: dom-2 … dom-5, unique ids, an id at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from adapter.fhir.definitions import is_subtype, resource_types
from adapter.validation.bundle import bundle_findings
from adapter.validation.bundle_index import BundleIndex
from adapter.validation.findings import Finding, Findings, has_errors, joined, safe_name, under
from adapter.validation.narrative_links import link_findings
from adapter.validation.run import Run
from adapter.validation.structure import check_of
from adapter.validation.vital_signs import implied_profile

Check = Callable[[Any, Run], Findings]

RESOURCE_TYPES = frozenset(resource_types())


def nested(key: str) -> Check:
    """Return the check of an element that holds whole resources (`contained`, `resource`, `outcome`)."""
    return check_contained if key == "contained" else check_resource


def check_resource(value: Any, run: Run) -> Findings:
    """Check a resource that stands for itself: the document, a Bundle entry, a parameter."""
    found: Findings = None
    type_name = value.get("resourceType") if value.__class__ is dict else None
    if type_name.__class__ is not str or type_name not in RESOURCE_TYPES:
        return resource_type(value, run)[1]
    outer = (run.resource, run.root, run.contained, run.local_references, run.full_url, run.element_ids, run.links)
    run.element_ids, run.links = set(), {}
    run.resource = run.root = value
    if run.bundles:
        run.full_url = run.bundles[-1].full_url_of.get(id(value), "")
    if type_name == "Bundle":
        run.bundles.append(BundleIndex(value))
    run.contained, found = _index_contained(value, run) if "contained" in value else ({}, None)
    run.local_references = set()
    found = joined(found, _shape(value, type_name, run))
    if not run.structure_only:
        run.sound = value if run.errors_left > 0 and (found is None or not has_errors(found)) else None
        found = joined(found, _meaning(value, type_name, run))
    if type_name == "Bundle":
        run.bundles.pop()
    (run.resource, run.root, run.contained, run.local_references, run.full_url, run.element_ids, run.links) = outer
    return found


def _shape(value: dict[str, Any], type_name: str, run: Run) -> Findings:
    """Check a resource as base R4 has it: the generated yes first, the exact check where that is not sure."""
    before = run.room()
    if run.registry.sure_shapes.resource(type_name)(value, run):
        return _entries(value, run) if type_name == "Bundle" else None
    run.give_back(before)
    return run.registry.accepted.silenced(check_of(type_name)(value, run), type_name, run)


def _entries(bundle: dict[str, Any], run: Run) -> Findings:
    """Check the resources in the entries of a Bundle that is right itself."""
    found: Findings = None
    for position, entry in enumerate(bundle.get("entry", ())):
        if "resource" in entry:
            more = check_resource(entry["resource"], run)
            if more is not None:
                found = joined(found, under(f"entry[{position}].resource", more))
    return found


def _meaning(value: dict[str, Any], type_name: str, run: Run) -> Findings:
    """Check what the resource says as a whole: its entries, contained resources, narrative and profiles."""
    found: Findings = None
    if type_name == "Bundle":
        found = bundle_findings(value, run.bundles[-1], run)
    if run.contained:
        found = joined(found, _unlinked(value, run))
    if "text" in value:
        found = joined(found, link_findings(value, run))
    if run.settings.narrative != "ignore" and "text" not in value and is_subtype(type_name, "DomainResource"):
        found = joined(found, run.found(Finding("no-narrative", rule="dom-6", severity=run.settings.narrative)))
    return joined(found, _profiles(value, type_name, run))


def resource_type(value: Any, run: Run) -> tuple[str, Findings]:
    """Return the type of a resource, or an empty name and why it has none."""
    if not isinstance(value, dict):
        return "", run.found(Finding("not-a-resource"))
    name = value.get("resourceType")
    if not isinstance(name, str):
        return "", run.found(Finding("no-resource-type"))
    if name not in RESOURCE_TYPES:
        return "", run.found(Finding("unknown-resource-type", {"name": safe_name(name)}))
    return name, None


def check_contained(value: Any, run: Run) -> Findings:
    """Check one contained resource; its root stays the resource around it."""
    found: Findings = None
    type_name = value.get("resourceType") if value.__class__ is dict else None
    if type_name.__class__ is not str or type_name not in RESOURCE_TYPES:
        return resource_type(value, run)[1]
    if "contained" in value:
        found = joined(found, run.found(Finding("contained-in-contained", rule="dom-2", path="contained")))
        value = {key: item for key, item in value.items() if key != "contained"}
    if "id" not in value:
        found = joined(found, run.found(Finding("contained-without-id")))
    if "meta" in value:
        found = joined(found, _contained_meta(value["meta"], run))
    outer, seen, ids = run.resource, run.local_references, run.element_ids
    run.resource, run.local_references, run.element_ids = value, set(), set()
    more = _shape(value, type_name, run)
    if more is not None:
        found = joined(found, more)
    if not run.structure_only and ("meta" in value or type_name == "Observation"):
        found = joined(found, _profiles(value, type_name, run))
    run.links[str(value.get("id"))] = run.local_references
    run.resource, run.local_references, run.element_ids = outer, seen, ids
    return found


def _contained_meta(meta: Any, run: Run) -> Findings:
    found: Findings = None
    for name, rule in (("versionId", "dom-4"), ("lastUpdated", "dom-4"), ("security", "dom-5")):
        if isinstance(meta, dict) and name in meta:
            values = {"name": f"meta.{name}"}
            found = joined(found, run.found(Finding("contained-meta", values, f"meta.{name}", rule=rule)))
    return found


def _profiles(value: dict[str, Any], type_name: str, run: Run) -> Findings:
    """Check the profiles that a resource claims, and the one that its code implies."""
    found = run.registry.profile_findings(value, type_name, run) if "meta" in value else None
    if type_name == "Observation" and run.settings.vital_signs:
        canonical = implied_profile(value)
        if canonical:
            found = joined(found, run.registry.value_findings(value, canonical, run))
    return found


def _index_contained(value: dict[str, Any], run: Run) -> tuple[dict[str, dict[str, Any]], Findings]:
    index: dict[str, dict[str, Any]] = {}
    found: Findings = None
    contained = value["contained"]
    for position, resource in enumerate(contained if isinstance(contained, list) else ()):
        name = resource.get("id") if isinstance(resource, dict) else None
        if not isinstance(name, str):
            continue
        if name in index:
            finding = Finding("contained-duplicate-id", path=f"contained[{position}].id")
            found = joined(found, run.found(finding))
        index[name] = resource
    return index, found


def _unlinked(value: dict[str, Any], run: Run) -> Findings:
    """dom-3: a contained resource is referred to, or refers to the resource around it.

    That leaves circles of contained resources that nothing outside leads to; they get a warning.
    """
    if all(f"#{name}" in run.local_references for name in run.contained):
        return None
    referred = run.local_references.union(*run.links.values())
    upwards = {name for name, links in run.links.items() if "#" in links}
    reached = _reached(run, upwards)
    if reached.issuperset(run.contained):
        return None
    texts = _local_texts({key: item for key, item in value.items() if key != "contained"})
    reached |= _reached(run, {text[1:] for text in texts})
    inner_texts = _local_texts(value["contained"])
    found: Findings = None
    for position, resource in enumerate(value["contained"]):
        name = resource.get("id") if isinstance(resource, dict) else None
        if not isinstance(name, str) or name not in run.contained or name in reached:
            continue
        path = f"contained[{position}]"
        if f"#{name}" in referred or f"#{name}" in inner_texts:
            found = joined(found, run.found(Finding("contained-circle", path=path, severity="warning")))
        else:
            found = joined(found, run.found(Finding("contained-unused", path=path, rule="dom-3")))
    return found


def _reached(run: Run, start: set[str]) -> set[str]:
    """Return the ids of the contained resources that the outer resource leads to, directly or not."""
    todo = [*start, *(reference[1:] for reference in run.local_references)]
    reached: set[str] = set()
    while todo:
        name = todo.pop()
        if name in run.contained and name not in reached:
            reached.add(name)
            todo.extend(reference[1:] for reference in run.links.get(name, ()))
    return reached


_LINK = re.compile(r"""(?:src|href)\s*=\s*["'](#[^"']+)["']""")


def _local_texts(value: Any) -> set[str]:
    """Return every text of the form `#id`: canonicals, URIs and links of the narrative may point there too."""
    found: set[str] = set()
    todo = [value]
    while todo:
        present = todo.pop()
        if isinstance(present, dict):
            todo.extend(present.values())
        elif isinstance(present, list):
            todo.extend(present)
        elif isinstance(present, str) and present[:1] == "#":
            found.add(present)
        elif isinstance(present, str) and present[:4] == "<div":
            found.update(_LINK.findall(present))
    return found
