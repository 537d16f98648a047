"""What users write: one package of pydantic models per API version, and what turns them into a CRD."""
