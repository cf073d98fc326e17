import json
from dataclasses import asdict

from wildsage.core.engine_images import Calling, EngineImage


def test_an_image_survives_a_job_file():
    calling = Calling(("--runtime", "runc"), ("--ulimit=nofile=1:2",), "none", "0:0", {"memory": "cgroup v2"})
    image = EngineImage("podman", "a" * 64, calling, "app")
    assert EngineImage.from_fields(json.loads(json.dumps(asdict(image)))) == image
