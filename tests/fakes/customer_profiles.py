"""Amazon Connect Customer Profiles with a memory: domains, imports, records, segments, profiles.

What it does not show: how long an import takes, how profiles of several sources are merged, which
values the service finds invalid, and that what is written is found only after a while.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from tests.fakes.service import Ending, Fake, Parameters, Progress, ServiceError
from tests.fakes.wire import Answer, Request

MOMENT = datetime(2026, 2, 1, tzinfo=UTC)
REGION, ACCOUNT = "eu-central-1", "111122223333"


@dataclass
class Job:
    """An import: its request, what was uploaded, how far it is."""

    id: str
    request: Parameters
    data: bytes = b""
    progress: Progress | None = None
    imported: bool = False
    results: Parameters = field(default_factory=dict)
    uploads: int = 0


class CustomerProfilesFake(Fake):
    """The service, and the address that files are uploaded to.

    Scripts: ``"upload job"`` ends as ``SUCCEEDED``, as ``FAILED`` with ``{"reason": …}``, or as
    ``PARTIALLY_SUCCEEDED`` with ``{"failed": [person ids]}``. ``"upload address"`` with ``expired``
    is one that is no longer valid. ``rejected`` are people whose single records fail.

    Attributes
    ----------
    profiles
        By account number, each as fields; those of the batch are under ``Attributes``.
    imported
        Names of the jobs that were started, as often as they were.
    tokens
        Every key and address that was given out: a test looks for them where they must not be.
    """

    service = "customer-profiles"
    bad_request = "BadRequestException"

    def __init__(self) -> None:
        super().__init__()
        self.domains: dict[str, Parameters] = {}
        self.object_types: dict[str, Parameters] = {}
        self.jobs: dict[str, Job] = {}
        self.imported: list[str] = []
        self.profiles: dict[str, Parameters] = {}
        self.segments: dict[str, Parameters] = {}
        self.estimates: dict[str, tuple[Parameters, Progress]] = {}
        self.rejected: set[str] = set()
        self.put: list[str] = []
        self.tokens: list[str] = []
        self._addresses: dict[str, tuple[str, str, datetime]] = {}
        self.off_by = 0

    # --- domains and types of records

    def _domain(self, request: Parameters) -> Parameters:
        found = self.domains.get(request["DomainName"])
        if found is None:
            raise ServiceError("ResourceNotFoundException", "no such domain")
        return found

    def create_domain(self, request: Parameters) -> Parameters:
        if request["DomainName"] in self.domains:
            raise ServiceError("BadRequestException", "the domain is there already")
        self.domains[request["DomainName"]] = request
        return {**request, "CreatedAt": MOMENT, "LastUpdatedAt": MOMENT}

    def get_domain(self, request: Parameters) -> Parameters:
        stats = {"ProfileCount": len(self.profiles)}
        found = self._domain(request)
        return {**found, "CreatedAt": MOMENT, "LastUpdatedAt": MOMENT, "Stats": stats}

    def update_domain(self, request: Parameters) -> Parameters:
        self._domain(request).update(request)
        return {**request, "CreatedAt": MOMENT, "LastUpdatedAt": MOMENT}

    def delete_domain(self, request: Parameters) -> Parameters:
        self._domain(request)
        del self.domains[request["DomainName"]]
        self.profiles.clear()
        return {"Message": "deleted"}

    def put_profile_object_type(self, request: Parameters) -> Parameters:
        self._domain(request)
        self.object_types[request["ObjectTypeName"]] = request
        return {k: v for k, v in request.items() if k != "DomainName"}

    def get_profile_object_type(self, request: Parameters) -> Parameters:
        found = self.object_types.get(request["ObjectTypeName"])
        if found is None:
            raise ServiceError("ResourceNotFoundException", "no such object type")
        return {k: v for k, v in found.items() if k != "DomainName"}

    def delete_profile_object_type(self, request: Parameters) -> Parameters:
        self.get_profile_object_type(request)
        del self.object_types[request["ObjectTypeName"]]
        return {"Message": "deleted"}

    # --- imports

    def create_upload_job(self, request: Parameters) -> Parameters:
        self._domain(request)
        id_ = f"{self.number('job'):032x}"
        self.jobs[id_] = Job(id_, request)
        return {"JobId": id_}

    def _job(self, request: Parameters) -> Job:
        self._domain(request)
        found = self.jobs.get(request["JobId"])
        if found is None:
            raise ServiceError("ResourceNotFoundException", "no such job")
        return found

    def get_upload_job_path(self, request: Parameters) -> Parameters:
        job = self._job(request)
        key = hashlib.sha256(f"key {self.number('key')}".encode()).digest()
        token = base64.b64encode(key).decode()
        signature = hashlib.sha256(key).hexdigest()
        address = f"{self.url}/-/upload/{job.id}?X-Amz-Signature={signature}"
        ending = self.begin("upload address", [], "valid").ending.state
        until = self.now() + timedelta(minutes=-1 if ending == "expired" else 15)
        self._addresses[signature] = (job.id, token, until)
        self.tokens += [token, signature]
        told = self.now() + timedelta(minutes=15)  # the clocks of two machines may differ
        return {"Url": address, "ClientToken": token, "ValidUntil": told}

    def raw(self, request: Request) -> Answer | None:
        parts = urlsplit(request.path)
        if not parts.path.startswith("/-/upload/"):
            return None
        signature = parse_qs(parts.query).get("X-Amz-Signature", [""])[0]
        job_id, token, until = self._addresses.get(signature, ("", "", MOMENT))
        md5 = base64.b64encode(hashlib.md5(base64.b64decode(token)).digest()).decode()
        wanted = {
            "x-amz-server-side-encryption-customer-algorithm": "AES256",
            "x-amz-server-side-encryption-customer-key": token,
            "x-amz-server-side-encryption-customer-key-md5": md5,
        }
        if until < self.now() or not parts.path.endswith(f"/{job_id}"):
            return _s3_error(403, "AccessDenied", "Request has expired")
        if any(request.headers.get(key) != value for key, value in wanted.items()):
            return _s3_error(400, "InvalidArgument", "the key is not that of the address")
        ending = self.begin("upload", [], "taken").ending.state
        if ending != "taken":
            return _s3_error(int(ending), "InternalError", "try again")
        job = self.jobs[job_id]
        job.data, job.uploads = request.body, job.uploads + 1
        return Answer(200, {"etag": '"0"'}, b"")

    def start_upload_job(self, request: Parameters) -> Parameters:
        job = self._job(request)
        if job.progress is not None:
            raise ServiceError("BadRequestException", "the job was started already")
        if not job.uploads:
            raise ServiceError("BadRequestException", "no file was uploaded")
        job.progress = self.begin("upload job", ["IN_PROGRESS"], "SUCCEEDED")
        self.imported.append(job.request["DisplayName"])
        return {}

    def stop_upload_job(self, request: Parameters) -> Parameters:
        job = self._job(request)
        if job.progress is not None:
            job.progress.ending = Ending("STOPPED")
            job.progress.finish()
        return {}

    def get_upload_job(self, request: Parameters) -> Parameters:
        job = self._job(request)
        answer = {
            "JobId": job.id,
            "DisplayName": job.request["DisplayName"],
            "Status": "CREATED" if job.progress is None else job.progress.look(),
            "CreatedAt": MOMENT,
            "Fields": job.request["Fields"],
            "UniqueKey": job.request["UniqueKey"],
        }
        if job.progress is not None and job.progress.ended:
            state, details = job.progress.state, job.progress.ending.details
            if state in ("FAILED", "STOPPED"):
                if "reason" in details:
                    answer["StatusReason"] = details["reason"]
            else:
                self._import(job, set(details.get("failed", ())))
                answer["ResultsSummary"] = job.results
        return answer

    def list_upload_jobs(self, request: Parameters) -> Parameters:
        self._domain(request)
        jobs = list(self.jobs.values())
        start = int(request.get("NextToken", "0"))
        page = jobs[start : start + 2]  # short pages, so that listings have several
        found: Parameters = {
            "Items": [
                {
                    "JobId": job.id,
                    "DisplayName": job.request["DisplayName"],
                    "Status": "CREATED" if job.progress is None else job.progress.state,
                }
                for job in page
            ]
        }
        if start + 2 < len(jobs):
            found["NextToken"] = str(start + 2)
        return found

    def _import(self, job: Job, failed: set[str]) -> None:
        if job.imported:
            return
        job.imported = True
        job.results = {"CreatedRecords": 0, "UpdatedRecords": 0, "FailedRecords": 0}
        for row in csv.DictReader(io.StringIO(job.data.decode("utf-8"), newline="")):
            key = row[job.request["UniqueKey"]]
            if key in failed:
                job.results["FailedRecords"] += 1
                continue
            new = key not in self.profiles
            job.results["CreatedRecords" if new else "UpdatedRecords"] += 1
            self._store(key, row, job.request["Fields"])

    def _store(self, key: str, row: dict[str, str], fields: Parameters) -> None:
        profile = self.profiles.setdefault(
            key, {"ProfileId": f"{self.number('profile'):032x}", "Attributes": {}}
        )
        for name, value in row.items():
            if not value:
                continue
            place, _, inner = fields[name]["Target"].removeprefix("_profile.").partition(".")
            if inner:
                profile.setdefault(place, {})[inner] = value
            else:
                profile[place] = value

    # --- single records

    def batch_put_profile_object(self, request: Parameters) -> Parameters:
        self._domain(request)
        kind = self.object_types.get(request["ObjectTypeName"])
        if kind is None:
            raise ServiceError("ResourceNotFoundException", "no such object type")
        (key_fields,) = kind["Keys"]["_account"]
        done, lost = [], []
        for item in request["Items"]:
            record = json.loads(item["Object"])
            key = record[key_fields["FieldNames"][0]]
            if key in self.rejected:
                lost.append({"Id": item["Id"], "Code": 400, "Message": f"refused: {record}"[:900]})
                continue
            self._store(key, record, kind["Fields"])
            self.put.append(key)
            done.append({"Id": item["Id"], "ProfileObjectUniqueKey": f"u{len(self.put)}"})
        return {"Successful": done, "Failed": lost}

    # --- segments

    def create_segment_definition(self, request: Parameters) -> Parameters:
        self._domain(request)
        name = request["SegmentDefinitionName"]
        if name in self.segments:
            raise ServiceError("BadRequestException", "there is a segment of this name")
        arn = f"arn:aws:profile:{REGION}:{ACCOUNT}:domains/{request['DomainName']}/segments/{name}"
        kept = {k: v for k, v in request.items() if k != "DomainName"}
        self.segments[name] = {**kept, "SegmentDefinitionArn": arn, "CreatedAt": MOMENT}
        answer = ("SegmentDefinitionName", "DisplayName", "Description", "CreatedAt", "Tags")
        found = {key: self.segments[name][key] for key in answer if key in self.segments[name]}
        return {**found, "SegmentDefinitionArn": arn}

    def get_segment_definition(self, request: Parameters) -> Parameters:
        found = self.segments.get(request["SegmentDefinitionName"])
        if found is None:
            raise ServiceError("ResourceNotFoundException", "no such segment")
        return {**found, "SegmentType": "CLASSIC"}

    def delete_segment_definition(self, request: Parameters) -> Parameters:
        self.get_segment_definition(request)
        del self.segments[request["SegmentDefinitionName"]]
        return {"Message": "deleted"}

    def _members(self, groups: Parameters) -> set[str]:
        """Account numbers of the profiles that all dimensions of the one group fit."""
        (group,) = groups["Groups"]
        found = set(self.profiles)
        for dimension in group["Dimensions"]:
            for name, rule in dimension["ProfileAttributes"]["Attributes"].items():
                assert rule["DimensionType"] == "INCLUSIVE"
                found = {
                    key
                    for key in found
                    if self.profiles[key]["Attributes"].get(name) in rule["Values"]
                }
        return found

    def members(self, name: str) -> list[str]:
        """Account numbers of a segment's members, in order; for tests."""
        return sorted(self._members(self.segments[name]["SegmentGroups"]))

    def create_segment_estimate(self, request: Parameters) -> Parameters:
        id_ = f"e{self.number('estimate')}"
        progress = self.begin("estimate", ["RUNNING"], "SUCCEEDED")
        self.estimates[id_] = (request["SegmentQuery"], progress)
        return {"DomainName": request["DomainName"], "EstimateId": id_, "StatusCode": 202}

    def get_segment_estimate(self, request: Parameters) -> Parameters:
        query, progress = self.estimates[request["EstimateId"]]
        answer = {"EstimateId": request["EstimateId"], "Status": progress.look(), "StatusCode": 200}
        if progress.state == "SUCCEEDED":
            answer["Estimate"] = str(len(self._members(query)) + self.off_by)
        return answer

    def get_segment_membership(self, request: Parameters) -> Parameters:
        segment = self.get_segment_definition(request)
        inside = {
            self.profiles[key]["ProfileId"] for key in self._members(segment["SegmentGroups"])
        }
        return {
            "SegmentDefinitionName": request["SegmentDefinitionName"],
            "Profiles": [
                {"ProfileId": id_, "QueryResult": "PRESENT" if id_ in inside else "ABSENT"}
                for id_ in request["ProfileIds"]
            ],
        }

    # --- profiles

    def search_profiles(self, request: Parameters) -> Parameters:
        self._domain(request)
        assert request["KeyName"] == "_account"
        found = [self.profiles[key] for key in request["Values"] if key in self.profiles]
        return {"Items": [{k: v for k, v in profile.items() if v} for profile in found]}

    def delete_profile(self, request: Parameters) -> Parameters:
        for key, profile in self.profiles.items():
            if profile["ProfileId"] == request["ProfileId"]:
                del self.profiles[key]
                return {"Message": "deleted"}
        raise ServiceError("ResourceNotFoundException", "no such profile")


def _s3_error(status: int, code: str, message: str) -> Answer:
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, {"content-type": "application/xml"}, text.encode())
