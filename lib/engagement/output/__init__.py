"""What people see: tables in notebooks, text on a terminal, notices of a running notebook."""
