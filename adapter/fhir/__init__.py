"""What is FHIR R4 itself: its definitions, JSON and XML forms. Nothing of ours, nothing of a vendor."""
