"""The engine in production: Amazon Athena over Glue and S3."""
