"""What moto's Lake Formation lacks: the grants that a new database gets by the default settings."""

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.lakeformation.models import lakeformation_backends


def open_database(region: str, name: str) -> None:
    """Give the grants on a new database that the settings say every new one gets."""
    backend = lakeformation_backends[DEFAULT_ACCOUNT_ID][region]
    settings = backend.get_data_lake_settings(DEFAULT_ACCOUNT_ID)
    for grant in settings.get("CreateDatabaseDefaultPermissions", []):
        backend.grant_permissions(
            catalog_id=DEFAULT_ACCOUNT_ID,
            principal=grant["Principal"],
            resource={"Database": {"Name": name}},
            permissions=grant["Permissions"],
            permissions_with_grant_options=[],
        )
