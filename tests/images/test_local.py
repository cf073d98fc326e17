"""Images of container engines in the catalogue."""

import asyncio
import threading

import pytest

from wildsage.core.engine_images import Calling, EngineError, LocalImage
from wildsage.images.catalogue import ImageCatalogue, UnknownImageError
from wildsage.images.environments import Environments
from wildsage.images.facts import facts_of
from wildsage.images.local import program
from wildsage.images.registered import RegisteredImages

ECR = "123456789012.dkr.ecr.us-west-2.amazonaws.com"
OWN = LocalImage("b" * 64, ("/opt/run", "--fast"), ("help",), {"A": "1"}, "/srv", "app")


class Engine:
    def __init__(self, name, images=(), *, installed=True, obstacle=""):
        self.name = name
        self.images = dict(images)
        self.is_installed = installed
        self.is_tried = False
        self.obstacle = obstacle

    def image(self, reference):
        return self.images.get(reference)

    def names(self):
        return list(self.images)

    def calling(self):
        self.is_tried = True
        if self.obstacle:
            raise EngineError(self.obstacle)
        return Calling(("--runtime", "runc"))


@pytest.fixture
def catalogue(tmp_path):
    def make(*engines):
        registered = RegisteredImages(tmp_path / "images")
        environments = Environments(tmp_path / "cache")
        builtin = {"kmeans": "wildsage.algorithms.kmeans"}
        return ImageCatalogue(builtin, registered, environments, account="123456789012", engines=engines)

    return make


@pytest.mark.parametrize(
    "uri", ["localhost/own:1", f"{ECR}/own:1", "own", "registry.example:5000/team/own:1"]
)
def test_an_image_of_an_engine_is_found_by_its_whole_name(catalogue, uri):
    image = catalogue(Engine("podman"), Engine("docker", {uri: OWN})).resolve(uri)
    assert (image.kind, image.engine) == ("container", "docker")
    facts = facts_of(image)
    assert facts["engine"] == "docker"
    assert "python" not in facts, "what is in it, only it knows"


def test_it_starts_as_docker_run_image_train_does(catalogue):
    image = catalogue(Engine("podman", {"own:1": OWN})).resolve("own:1")
    program = image.program("train")
    assert program.argv == ("/opt/run", "--fast", "train")
    assert (program.environment["A"], program.working_directory, program.mounts) == ("1", "/srv", ())
    assert (program.engine_image.engine, program.engine_image.reference) == ("podman", "b" * 64)
    assert program.engine_image.calling.engine == ("--runtime", "runc")
    assert program.engine_image.user == "app"
    assert program.port is None
    assert image.program("serve").argv[-1] == "serve"
    assert image.program("serve").port == 8080


@pytest.mark.parametrize(
    ("entrypoint", "arguments", "argv"),
    [
        (("python", "x.py"), (), ("python", "x.py")),
        (("python", "x.py"), ("-v",), ("python", "x.py", "-v")),
        ((), ("-v",), ("/opt/run", "--fast", "train", "-v")),
    ],
)
def test_an_entrypoint_takes_the_place_of_the_images(catalogue, entrypoint, arguments, argv):
    image = catalogue(Engine("podman", {"own:1": OWN})).resolve("own:1")
    assert image.program("train", entrypoint, arguments).argv == argv


@pytest.mark.parametrize(
    ("image", "arguments", "argv"),
    [(OWN, (), ("/opt/run", "--fast", "help")), (OWN, ("-v",), ("/opt/run", "--fast", "-v"))],
)
def test_for_another_purpose_it_starts_as_docker_run_image_does(image, arguments, argv):
    assert program(Engine("podman"), image, "process", (), arguments).argv == argv


def test_an_image_that_says_nothing_of_what_runs_in_it_is_refused():
    with pytest.raises(EngineError, match="neither ENTRYPOINT nor CMD"):
        program(Engine("podman"), LocalImage("c" * 64), "process", (), ())


def test_without_an_entrypoint_train_is_a_program_of_the_image(catalogue):
    image = catalogue(Engine("podman", {"own:1": LocalImage("c" * 64)})).resolve("own:1")
    program = image.program("train")
    assert program.argv == ("train",)
    assert program.environment["PATH"].endswith("/bin")


def test_built_in_and_registered_images_come_first(catalogue, tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "train").touch(mode=0o755)
    made = catalogue(Engine("podman", {"kmeans:1": OWN, "own:1": OWN}))
    made.registered.add_directory("own:1", folder)
    assert made.resolve("kmeans:1").kind == "algorithm"
    assert made.resolve("own:1").kind == "registered"


def test_an_engine_that_is_not_there_is_not_asked(catalogue):
    with pytest.raises(UnknownImageError, match="No container engine is installed; with podman or docker"):
        catalogue(Engine("podman", {"own:1": OWN}, installed=False)).resolve("own:1")


def test_an_image_that_is_not_there_says_how_it_gets_there(catalogue):
    with pytest.raises(UnknownImageError, match="podman and docker, asked for its local images") as refused:
        catalogue(Engine("podman"), Engine("docker")).resolve(f"{ECR}/own:1")
    assert f"`podman pull {ECR}/own:1`" in str(refused.value)


def test_an_engine_that_does_not_work_says_why(catalogue):
    image = catalogue(Engine("podman", {"own:1": OWN}, obstacle="podman does not start")).resolve("own:1")
    assert not image.is_tried
    for call in (image.try_engine, lambda: image.program("train")):
        with pytest.raises(UnknownImageError, match="own:1 cannot run here: podman does not start"):
            call()
    assert image.is_tried


def test_a_loop_goes_on_while_an_engine_takes_its_time(catalogue):
    engine = Engine("docker", {"own:1": OWN})
    asked = []
    answer = engine.image

    def slowly(reference):
        asked.append(threading.current_thread() is threading.main_thread())
        return answer(reference)

    engine.image = slowly
    made = catalogue(engine)

    async def use():
        await made.look_up("own:1", "kmeans:1", "none:1", "not a name")
        assert made.resolve("own:1").engine == "docker"
        with pytest.raises(UnknownImageError):
            made.resolve("none:1")

    asyncio.run(use())
    assert asked == [False, False], "beside the loop, once, and not for what runs without an engine"
    assert engine.is_tried


def test_an_image_that_is_built_anew_is_seen(catalogue):
    engine = Engine("docker", {"own:1": OWN})
    made = catalogue(engine)
    asyncio.run(made.look_up("own:1"))
    engine.images["own:1"] = LocalImage("d" * 64)
    asyncio.run(made.look_up("own:1"))
    assert made.resolve("own:1").program("train").engine_image.reference == "d" * 64
