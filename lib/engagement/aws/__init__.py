"""What every AWS service needs: S3, Glue, waiting."""
