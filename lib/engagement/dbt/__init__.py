"""A dbt project written from the models' own files, for teams that run their warehouse with dbt."""
