"""The floor: a bare script that waits on the engine's event stream and calls start. Nothing else."""

import sys

import docker

client = docker.APIClient(base_url=sys.argv[1])
events = client.events(decode=True, filters={"type": ["container"], "container": [sys.argv[2]], "event": ["die"]})
print("waiting", flush=True)
for event in events:
    client.start(event["id"])
