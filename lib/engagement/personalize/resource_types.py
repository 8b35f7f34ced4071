"""The types of resources that Amazon Personalize has: how each is found, compared and changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ResourceType:
    """A type of resource, by the service's own names for it.

    Parameters
    ----------
    label
        What people call it.
    noun
        What methods are named by: ``create_<noun>``, ``describe_<noun>``, ``delete_<noun>``.
    body, arn
        Members of the answers: the resource, and its ARN.
    listed
        Member of the listing; ``lists`` is the method.
    scope
        What a listing is limited to; none: the account.
    compared
        Members that have to be as asked for; those of ``updated`` can be changed by
        ``update_<noun>``, for the others another resource is needed.
    replaced
        Whether one that differs is deleted and made again: nothing depends on it.
    """

    label: str
    noun: str
    body: str
    arn: str
    listed: str
    lists: str
    scope: str | None = "datasetGroupArn"
    name: str = "name"
    compared: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    latest: str | None = None
    replaced: bool = False
    deletable: bool = True
    taggable: bool = True
    has_status: bool = True
    named_in_list: bool = True


DATASET_GROUP = ResourceType(
    "dataset group",
    "dataset_group",
    "datasetGroup",
    "datasetGroupArn",
    "datasetGroups",
    "list_dataset_groups",
    scope=None,
    compared=("domain",),
)
SCHEMA = ResourceType(
    "schema",
    "schema",
    "schema",
    "schemaArn",
    "schemas",
    "list_schemas",
    scope=None,
    compared=("domain", "schema"),
    taggable=False,
    has_status=False,
)
DATASET = ResourceType(
    "dataset",
    "dataset",
    "dataset",
    "datasetArn",
    "datasets",
    "list_datasets",
    compared=("datasetType", "schemaArn"),
    updated=("schemaArn",),
    latest="latestDatasetUpdate",
)
IMPORT = ResourceType(
    "import job",
    "dataset_import_job",
    "datasetImportJob",
    "datasetImportJobArn",
    "datasetImportJobs",
    "list_dataset_import_jobs",
    scope="datasetArn",
    name="jobName",
    deletable=False,
)
TRACKER = ResourceType(
    "event tracker",
    "event_tracker",
    "eventTracker",
    "eventTrackerArn",
    "eventTrackers",
    "list_event_trackers",
)
RECOMMENDER = ResourceType(
    "recommender",
    "recommender",
    "recommender",
    "recommenderArn",
    "recommenders",
    "list_recommenders",
    compared=("recipeArn", "recommenderConfig"),
    updated=("recommenderConfig",),
    latest="latestRecommenderUpdate",
)
SOLUTION = ResourceType(
    "solution",
    "solution",
    "solution",
    "solutionArn",
    "solutions",
    "list_solutions",
    compared=("recipeArn", "performAutoTraining", "solutionConfig"),
    updated=("performAutoTraining", "solutionConfig"),
    latest="latestSolutionUpdate",
)
VERSION = ResourceType(
    "solution version",
    "solution_version",
    "solutionVersion",
    "solutionVersionArn",
    "solutionVersions",
    "list_solution_versions",
    scope="solutionArn",
    deletable=False,
    named_in_list=False,
)
CAMPAIGN = ResourceType(
    "campaign",
    "campaign",
    "campaign",
    "campaignArn",
    "campaigns",
    "list_campaigns",
    scope="solutionArn",
    compared=("solutionVersionArn", "minProvisionedTPS", "campaignConfig"),
    updated=("solutionVersionArn", "minProvisionedTPS", "campaignConfig"),
    latest="latestCampaignUpdate",
)
FILTER = ResourceType(
    "filter",
    "filter",
    "filter",
    "filterArn",
    "Filters",
    "list_filters",
    compared=("filterExpression",),
    replaced=True,
)
INFERENCE = ResourceType(
    "batch inference job",
    "batch_inference_job",
    "batchInferenceJob",
    "batchInferenceJobArn",
    "batchInferenceJobs",
    "list_batch_inference_jobs",
    scope="solutionVersionArn",
    name="jobName",
    deletable=False,
)
SEGMENTS = ResourceType(
    "batch segment job",
    "batch_segment_job",
    "batchSegmentJob",
    "batchSegmentJobArn",
    "batchSegmentJobs",
    "list_batch_segment_jobs",
    scope="solutionVersionArn",
    name="jobName",
    deletable=False,
)
ATTRIBUTION = ResourceType(
    "metric attribution",
    "metric_attribution",
    "metricAttribution",
    "metricAttributionArn",
    "metricAttributions",
    "list_metric_attributions",
    taggable=False,
)
