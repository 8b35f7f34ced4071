"""Stand-ins with a memory for services that nothing here can answer; reached over loopback.

A fake is a class with a method per operation. Requests are read by the shapes that botocore ships
(``rest-json``, ``json``, ``query``) and checked in full first: members, types, required, minima AND
maxima, enums, patterns, which botocore does not check before it sends. Answers are checked too, so
that a fake invents no member. boto3 finds it by ``AWS_ENDPOINT_URL_<SERVICE>``, in this process and
in those it starts (notebooks).

Writing one
-----------
::

    class PersonalizeFake(Fake):
        service = "personalize"                      # boto3's name
        bad_request = "InvalidInputException"        # the code for requests the model refuses

        def __init__(self) -> None:
            super().__init__()
            self.groups: dict[str, Progress] = {}

        def create_dataset_group(self, request: Parameters) -> Parameters:
            if request["name"] in self.groups:
                raise ServiceError("ResourceAlreadyExistsException", "there is one of this name")
            self.groups[request["name"]] = self.begin(
                "dataset group", ["CREATE PENDING", "CREATE IN_PROGRESS"], well="ACTIVE"
            )
            return {"datasetGroupArn": ...}

        def describe_dataset_group(self, request: Parameters) -> Parameters:
            progress = self.groups[...]
            answer = {"name": ..., "status": progress.look()}        # a look moves it on
            if progress.ended and progress.state == "CREATE FAILED":
                answer["failureReason"] = progress.ending.details["reason"]
            return {"datasetGroup": answer}

Methods are called one at a time; ``self.number("arn")`` counts for ids that are the same in every
run; ``self.now()`` is the clock, which a test may replace; ``raw`` answers presigned addresses.

Using one
---------
::

    def test_it(use_fakes):
        fake = PersonalizeFake()
        fakes = use_fakes(fake)                      # environment set, for subprocesses too
        fake.polls = 3                               # a step takes three looks
        fake.script("dataset group", Ending("CREATE FAILED", {"reason": "…"}))   # the next one
        fake.script("dataset group", NEVER)          # the one after it never ends
        fakes.throttle("personalize", "CreateDatasetGroup", times=2)  # by the service's own code
        fakes.fail("personalize", code="AccessDeniedException", skip=3)   # the fourth call
        fakes.slow("personalize", "DescribeDatasetGroup", seconds=0.2)
        fakes.lose("personalize", "CreateDatasetGroup")   # it takes effect, its answer never comes
        fakes.call("personalize", None, kill, skip=4, after=True)     # a function of the test's own
        ...
        assert fakes.operations("personalize") == ["CreateDatasetGroup", ...]
        assert fakes.calls[0].parameters == {...}

``fakes.environment()`` gives the variables for a subprocess. A test fails when a fake made a
mistake: an operation it does not have, an answer that the model does not know, an exception.

There are fakes of Customer Profiles with the store that files are uploaded to
(:mod:`tests.fakes.customer_profiles`), of outbound campaigns
(:mod:`tests.fakes.connect_campaigns`), of Personalize with its events, its answers and its quotas
(:mod:`tests.fakes.personalize`), and of QuickSight (:mod:`tests.fakes.quicksight`).

What no fake shows: whether credentials and IAM policies suffice, quotas that are not in the model,
how long a service takes, and rules that it keeps beyond its model unless the fake has them too.
"""

from tests.fakes.server import Called, Fakes, running
from tests.fakes.service import NEVER, Ending, Fake, Parameters, Progress, ServiceError
from tests.fakes.wire import Answer, Request

__all__ = [
    "NEVER",
    "Answer",
    "Called",
    "Ending",
    "Fake",
    "Fakes",
    "Parameters",
    "Progress",
    "Request",
    "ServiceError",
    "running",
]
