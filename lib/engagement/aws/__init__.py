"""What every AWS service needs: clients, checked and written calls, waiting; S3, Glue."""
