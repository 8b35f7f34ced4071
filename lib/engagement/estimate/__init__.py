"""What running the workbook on AWS costs, before it is switched on."""
