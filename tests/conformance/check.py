"""Runs the public conformance suite `scim2-tester` against a running server.

    PROVOST_TOKEN=… python check.py BASE_URL

One line for each check, and the reason of each that did not pass. Ends with 1 unless every check
passed: a deviation from a SHOULD counts as failed, and so does a check that was skipped.

The suite expects every element back exactly as it wrote it, and takes a `members.display` that the
server computed for a fault. So it asks to be spared the names, as any client can.
"""

import os
import sys

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

PASSED = {Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE}


def main() -> int:
    headers = {"Authorization": f"Bearer {os.environ['PROVOST_TOKEN']}", "Group-Overhead-Bypass": "true"}
    with Client(base_url=sys.argv[1], headers=headers) as http:
        results = check_server(SyncSCIMClient(http))
    for result in results:
        of = f"{result.resource_type}: " if result.resource_type else ""
        print(f"{result.status.name:<10} {of}{result.title}")
        if result.status not in PASSED:
            print(f"           {result.reason}\n           {result.data!r}")
    failed = sum(result.status not in PASSED for result in results)
    print(f"{len(results)} checks, {failed} failed")
    return 1 if failed or not results else 0


sys.exit(main())
