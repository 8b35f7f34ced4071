"""What every AWS service needs: clients, checked requests, waiting."""
