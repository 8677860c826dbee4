"""The interactions of FHIR R4 REST, one family a module; each takes a Request and returns an Answer."""
