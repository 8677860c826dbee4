"""Changes to a resource, applied to a copy: JSON Patch and FHIRPath Patch."""
