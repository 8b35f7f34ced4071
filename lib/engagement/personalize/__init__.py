"""Datasets, schemas and readiness for Amazon Personalize."""
