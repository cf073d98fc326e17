"""All operations of IAM."""

from collections.abc import Mapping

from wildsage.services.iam.directory import Directory
from wildsage.services.iam.policies import Policies
from wildsage.services.iam.role_policies import RolePolicies
from wildsage.services.iam.roles import Roles
from wildsage.services.iam.simulation import FindRole, Simulator
from wildsage.services.iam.users import Users
from wildsage.services.operation import Handler, operations_of
from wildsage.services.rooms import ServiceRooms
from wildsage.store.resources import Resources
from wildsage.store.tags import Tags


def handlers(rooms: ServiceRooms) -> Mapping[str, Handler]:
    """Return the handler of each operation that exists, by its name."""
    return iam_handlers(rooms.resources, rooms.tags, rooms.roles.find)


def iam_handlers(
    resources: Resources, tags: Tags, find_role: FindRole | None = None
) -> Mapping[str, Handler]:
    """Return the same over these alone.

    Parameters
    ----------
    find_role
        How the simulator finds the role it is asked about. Default: among those that are there.
    """
    directory = Directory(resources)
    return operations_of(
        Roles(directory, tags),
        RolePolicies(directory),
        Policies(directory, tags),
        Simulator(directory, find_role),
        Users(),
    )
