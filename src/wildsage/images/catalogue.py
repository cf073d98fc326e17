"""Which image a URI names, and how it starts: the one place that decides what runs for an image."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from wildsage.core.engine_images import EngineError, LocalImage
from wildsage.images.environments import Environments
from wildsage.images.frameworks import (
    EnvironmentSpec,
    FrameworkTag,
    NoEnvironmentError,
    environment_spec,
    environment_with_sdk,
    framework_repositories,
    framework_tag,
    installed_versions,
)
from wildsage.images.java import HOW_TO_INSTALL, Java, find_java
from wildsage.images.kernels import Kernels, kernels_of
from wildsage.images.local import ContainerEngine, program, what_engines_say
from wildsage.images.pip_settings import PipSettings
from wildsage.images.platform import ALGORITHM_TAGS, PlatformImages, nearest_tags
from wildsage.images.program import (
    PACKAGE,
    PURPOSES,
    ImageProgram,
    Purpose,
    base_python_folders,
    host_python_folders,
    image_environment,
    mounts_of,
    overridden,
    runtime_command,
)
from wildsage.images.registered import RegisteredImage, RegisteredImages
from wildsage.images.uri import ImageUri, parse_image_uri
from wildsage.toolkit.kernels import FOLDER_VARIABLE
from wildsage.toolkit.script_mode.paths import LAYER_VARIABLE, REQUIREMENTS_VARIABLE


class UnknownImageError(Exception):
    """No image of this name runs here. The text is for the user."""


@dataclass(frozen=True, slots=True)
class ResolvedImage:
    """An image that runs here.

    Attributes
    ----------
    kind
        ``algorithm`` (built in), ``framework`` (a user's script in a prepared environment),
        ``registered`` or ``container`` (of podman or docker).
    name
        Its name without a registry, e.g. ``kmeans:1``.
    algorithm
        The module of a built-in algorithm; else empty.
    environment
        What `Environments.prepare` must have made before `program` runs; None: nothing.
    kernels
        Those of the algorithm that are compiled beforehand.
    notice
        The first line of the job's log where the image promises versions; else empty.
    """

    kind: Literal["algorithm", "framework", "registered", "container"]
    name: str
    tag: str
    algorithm: str = ""
    framework: str = ""
    promised: str = ""
    environment: EnvironmentSpec | None = None
    kernels: Kernels | None = None
    notice: str = ""
    _python: Path = Path(sys.executable)
    _folders: tuple[Path, ...] = ()
    _files: tuple[Path, ...] = ()  # mounted where they are there
    _commands: Mapping[Purpose, Sequence[str]] = field(default_factory=dict)
    _variables: Mapping[str, str] = field(default_factory=dict)
    _literal_opt_ml: bool = False
    _of_engine: tuple[ContainerEngine, LocalImage] | None = None

    @property
    def engine(self) -> str:
        """Name of the container engine whose image it is; else empty."""
        return self._of_engine[0].name if self._of_engine else ""

    @property
    def is_tried(self) -> bool:
        """Tell whether it is known that its engine works; there is nothing to try where it has none."""
        return self._of_engine is None or self._of_engine[0].is_tried

    def try_engine(self) -> None:
        """Find out whether its engine works, in a second or two.

        Raises
        ------
        UnknownImageError
            If it does not.
        """
        if self._of_engine is not None:
            try:
                self._of_engine[0].calling()
            except EngineError as error:
                raise UnknownImageError(f"the image {self.name} cannot run here: {error}") from error

    def program(
        self, purpose: Purpose, entrypoint: Sequence[str] = (), arguments: Sequence[str] = ()
    ) -> ImageProgram:
        """Return how a container of this image starts.

        Parameters
        ----------
        entrypoint, arguments
            ``ContainerEntrypoint`` takes the place of the image's command, ``ContainerArguments`` follow
            it.

        Raises
        ------
        UnknownImageError
            If the image has nothing for this purpose, e.g. a directory without ``serve``, or its engine
            does not work.
        """
        if self._of_engine is not None:
            try:
                return program(*self._of_engine, purpose, entrypoint, arguments)
            except EngineError as error:
                raise UnknownImageError(f"the image {self.name} cannot run here: {error}") from error
        command = self._commands.get(purpose)
        if command is None and not entrypoint:
            raise UnknownImageError(
                f"the image {self.name} has no executable `{purpose}`, only {', '.join(self._commands)}: "
                + (
                    "say with ContainerEntrypoint what runs in it"
                    if purpose == "process"
                    else "add one to its directory and register it again (wildsage images add)"
                )
            )
        return ImageProgram(
            argv=overridden(self._python, command or (), entrypoint, arguments),
            environment={**image_environment(self._python.parent), **self._variables},
            mounts=mounts_of((*self._folders, *(file for file in self._files if file.exists()))),
            needs_literal_opt_ml=self._literal_opt_ml or bool(entrypoint),
        )

    def on_layer(self, folder: Path) -> "ResolvedImage":
        """Return this image with a layer of packages on top of its environment."""
        variables = {**self._variables, LAYER_VARIABLE: str(folder)}
        return replace(self, _folders=(*self._folders, folder), _variables=variables)

    def installing_first(self, file: str) -> "ResolvedImage":
        """Return this image so that a requirements file is installed before the job's own entrypoint runs."""
        return replace(self, _variables={**self._variables, REQUIREMENTS_VARIABLE: file})


_OfEngine = tuple[ContainerEngine, LocalImage]
_FRESH_SECONDS = 2.0
"""So long what engines said of an image is taken for what they would say."""


class ImageCatalogue:
    """All images that run on this machine.

    Parameters
    ----------
    builtin
        Module of the algorithm by repository, e.g. ``{"kmeans": "wildsage.algorithms.kmeans"}``.
    registered
        The user's own; they come before every other image of the same name.
    environments
        Where framework environments are prepared.
    account
        This installation's account: in its own registry there are only registered images.
    pip
        How pip reaches the package index from inside a container.
    engines
        Container engines, asked in this order for what is none of the above.
    """

    def __init__(
        self,
        builtin: Mapping[str, str],
        registered: RegisteredImages,
        environments: Environments,
        *,
        account: str = "",
        pip: PipSettings | None = None,
        engines: Sequence[ContainerEngine] = (),
    ) -> None:
        self._builtin = builtin
        self.platform = PlatformImages(builtin)
        self.registered = registered
        self._environments = environments
        self._account = account
        self._pip = pip or PipSettings({})
        self._engines = engines
        self._own: dict[str, tuple[RegisteredImage, ResolvedImage]] = {}
        self._said: dict[str, tuple[float, _OfEngine | None]] = {}

    async def look_up(self, *uris: str) -> None:
        """Ask the container engines for images that may be theirs, in a thread: they may take seconds.

        Await this before anything that resolves one on an event loop: it has the answer then.
        """
        now = time.monotonic()
        self._said = {uri: said for uri, said in self._said.items() if now - said[0] < _FRESH_SECONDS}
        for uri in uris:
            if self._engines and self._may_be_of_engines(uri):
                answer = await asyncio.to_thread(self._tried, uri)
                self._said[uri] = time.monotonic(), answer

    def _may_be_of_engines(self, uri: str) -> bool:
        try:
            return self._without_engines(parse_image_uri(uri), script=False, sdk="") is None
        except (ValueError, UnknownImageError):
            return False

    def resolve(self, uri: str, *, script: bool = False, sdk: str = "") -> ResolvedImage:
        """Find the image that a URI names: any account, any region, any registry suffix.

        Parameters
        ----------
        script
            Whether the request brings the user's own code (see `brings_script`): an image that is both
            an algorithm and a framework (``sagemaker-xgboost``) runs as the latter then. An algorithm that
            is no framework stays one: an entrypoint runs in its place, with Wildsage's own interpreter.
        sdk
            The version of the SageMaker Python SDK whose code the request runs (see `client_sdk`); empty:
            none.

        Raises
        ------
        UnknownImageError
            If there is none; the text names the URI and what to do.
        """
        try:
            parsed = parse_image_uri(uri)
        except ValueError as error:
            raise UnknownImageError(str(error)) from error
        known = self._without_engines(parsed, script=script, sdk=sdk) or self._of_engines(uri, parsed)
        if known is not None:
            return known
        raise UnknownImageError(self._unknown(uri, parsed))

    def _without_engines(self, uri: ImageUri, *, script: bool, sdk: str) -> ResolvedImage | None:
        own = self.registered.find(uri)
        if own is not None:
            return self._resolved(own)
        if self._account and uri.account == self._account:
            return None
        return self._of_platform(uri, script=script, sdk=sdk)

    def _of_platform(self, uri: ImageUri, *, script: bool, sdk: str) -> ResolvedImage | None:
        if not uri.tag:
            uri = replace(uri, tag=self.platform.tag_of(uri.repository, uri.digest))
        tag = framework_tag(uri)
        module = self._builtin.get(uri.repository)
        listed = uri.repository in framework_repositories()
        known = tag is not None if listed else uri.tag in ALGORITHM_TAGS
        if tag is not None and (script or not module):
            return self._of_framework(uri, tag, sdk)
        return self._of_algorithm(uri, module, tag) if module and known else None

    def _of_algorithm(self, uri: ImageUri, module: str, tag: FrameworkTag | None) -> ResolvedImage:
        spec = _environment_of_library(tag) if tag else None
        if spec is None:
            python, folders = Path(sys.executable), host_python_folders()
            command: tuple[str, ...] = (str(python), "-m", "wildsage.toolkit")
        else:
            python = self._environments.python_path(spec)
            folders = (*base_python_folders(), python.parent.parent, PACKAGE)
            command = runtime_command(python, "builtin")
        kernels = kernels_of(module) if spec is None else None  # compiled for this interpreter
        compiled = self._environments.kernels_path(kernels) if kernels else None
        return ResolvedImage(
            kind="algorithm",
            name=uri.name,
            tag=uri.tag,
            algorithm=module,
            promised=tag.promised if tag else "",
            environment=spec,
            kernels=kernels,
            _python=python,
            _folders=(*folders, *self._pip.paths),
            _files=(compiled,) if compiled else (),
            _commands={"train": (*command, "train", module), "serve": (*command, "serve", module)},
            _variables={
                **self._pip.variables,
                "WILDSAGE_IMAGE_TAG": uri.tag,
                **({FOLDER_VARIABLE: str(compiled)} if compiled else {}),
            },
        )

    def _of_framework(self, uri: ImageUri, tag: FrameworkTag, sdk: str) -> ResolvedImage:
        try:
            spec = environment_spec(environment_with_sdk(tag.environment, sdk))
        except NoEnvironmentError as error:
            raise UnknownImageError(f"the image {uri.name} cannot run here: {error}") from error
        python = self._environments.python_path(spec)
        java = _java_for(uri, tag)
        return ResolvedImage(
            kind="framework",
            name=uri.name,
            tag=uri.tag,
            framework=tag.framework,
            promised=tag.promised,
            environment=spec,
            notice=_notice(uri, tag, spec),
            _python=python,
            _folders=(
                *base_python_folders(),
                python.parent.parent,
                PACKAGE,
                *self._pip.paths,
                *(java.folders if java else ()),
            ),
            _commands=_framework_commands(python, tag),
            _variables={
                **self._pip.variables,
                **_module_variables(tag),
                **({"JAVA_HOME": str(java.home)} if java else {}),
            },
        )

    def _of_engines(self, uri: str, parsed: ImageUri) -> ResolvedImage | None:
        at, found = self._said.get(uri, (0.0, None))
        if not at or time.monotonic() - at > _FRESH_SECONDS:
            found = self._ask_engines(uri)
        return found and ResolvedImage("container", parsed.name, parsed.tag, _of_engine=found)

    def _ask_engines(self, uri: str) -> "_OfEngine | None":
        """Return the engine that has an image, and the image."""
        for engine in self._engines:
            image = engine.image(uri) if engine.is_installed else None
            if image is not None:
                return engine, image
        return None

    def _tried(self, uri: str) -> "_OfEngine | None":
        """Do as above, and find out how the engine starts containers."""
        found = self._ask_engines(uri)
        if found is not None:
            with suppress(EngineError):  # whoever needs a program of it is told
                found[0].calling()
        return found

    def _resolved(self, image: RegisteredImage) -> ResolvedImage:
        """Return what was made of an image the last time, unless it was registered anew."""
        known = self._own.get(image.name)
        if known is None or known[0] is not image:
            known = self._own[image.name] = image, self._of_registered(image)
        return known[1]

    def _of_registered(self, image: RegisteredImage) -> ResolvedImage:
        content = self.registered.content(image)
        commands: dict[Purpose, Sequence[str]] = (
            {
                "train": (*image.command, "train"),
                "process": image.command,
                "serve": (*image.command, "serve"),
            }
            if image.command
            else {}
        )
        for purpose in PURPOSES:
            if purpose in image.executables:
                commands[purpose] = (str(content / purpose),)
        return ResolvedImage(
            kind="registered",
            name=image.name,
            tag=image.tag,
            _folders=(*host_python_folders(), *(() if image.command else (content,)), *self._pip.paths),
            _files=tuple(Path(word) for word in image.command if word.startswith("/")),
            _commands=commands,
            _variables=self._pip.variables,
            _literal_opt_ml=not image.relocatable,
        )

    def _unknown(self, uri: str, parsed: ImageUri) -> str:
        name = parsed.repository
        tags = nearest_tags(name, parsed.tag) or (sorted(ALGORITHM_TAGS) if name in self._builtin else [])
        if tags and parsed.account != (self._account or None):
            known = f"the nearest tags of {name} that run here: {', '.join(tags)}"
        else:
            names = [*self._builtin, *framework_repositories()]
            names += [image.name for image in self.registered.list()]
            known = f"images that run here: {', '.join(sorted(set(names)))}"
        return (
            f"The image {uri} does not exist or cannot run on this machine; {known}. "
            f"To run your own, register a directory with executables `train` and `serve`: "
            f"wildsage images add {name} DIR. {what_engines_say(self._engines, uri)}"
        )


def brings_script(
    hyperparameters: Mapping[str, str], environment: Mapping[str, str], entrypoint: Sequence[str] = ()
) -> bool:
    """Tell whether a request brings the user's own code to a framework image.

    Training jobs name the script in the hyperparameter ``sagemaker_program`` or bring a
    ``ContainerEntrypoint``; models name it in the variable ``SAGEMAKER_PROGRAM``, which SDKs send empty
    where there is none.
    """
    named = hyperparameters.get("sagemaker_program", "").strip('"')
    return bool(entrypoint or named or environment.get("SAGEMAKER_PROGRAM"))


def _environment_of_library(tag: FrameworkTag) -> EnvironmentSpec | None:
    """Return the environment of the library version that a tag promises.

    None: Wildsage's own interpreter has that version, or the environment is not locked for this Python.
    """
    if tag.promised in set(installed_versions(tag.package)):
        return None
    try:
        return environment_spec(tag.environment)
    except NoEnvironmentError:
        return None


def _framework_commands(python: Path, tag: FrameworkTag) -> Mapping[Purpose, Sequence[str]]:
    if tag.framework == "spark":
        return {"process": runtime_command(python, "exec", "smspark-submit")}
    return {
        "train": runtime_command(python, "train"),
        "serve": runtime_command(python, "serve", tag.framework),
    }


def _java_for(uri: ImageUri, tag: FrameworkTag) -> Java | None:
    if not tag.needs_java:
        return None
    java = find_java()
    if java is None:
        raise UnknownImageError(
            f"the image {uri.name} cannot run here: Spark needs Java, and there is none on this machine:"
            f" {HOW_TO_INSTALL}"
        )
    return java


def _module_variables(tag: FrameworkTag) -> dict[str, str]:
    if not tag.module:
        return {}
    return {
        "SAGEMAKER_TRAINING_MODULE": f"{tag.module}.training:main",
        "SAGEMAKER_SERVING_MODULE": f"{tag.module}.serving:main",
    }


_SAID = ("sagemaker", "torch", "datasets", "accelerate", "numpy", "scipy", "pandas")
"""What a job's first line says of an environment, besides the package that the tag promises."""


def _notice(uri: ImageUri, tag: FrameworkTag, spec: EnvironmentSpec) -> str:
    """Say what the tag promises and what runs, in one line."""
    running = spec.version_of(tag.package) or spec.version_of(f"{tag.package}-cpu")
    promise = [f"Python {tag.promised_python}"] if tag.promised_python else []
    runs = [f"Python {sys.version_info.major}.{sys.version_info.minor}"]
    if tag.package:
        promise.append(f"{tag.package} {tag.promised}")
        nearest = "" if running == tag.promised else " (the nearest that runs here)"
        runs.append(f"{tag.package} {running}{nearest}")
    others = [name for name in _SAID if name != tag.package and spec.version_of(name)]
    runs += [f"{name} {spec.version_of(name)}" for name in others]
    return f"Image {uri.name} promises {', '.join(promise)}; running {', '.join(runs)}."
