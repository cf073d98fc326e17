"""From what an image starts to what a supervisor runs."""

from wildsage.images.program import ImageProgram
from wildsage.supervisor.program import program_of

OF_MACHINE = {"https_proxy": "http://corporate:1", "NO_PROXY": "near", "A": "1"}


def test_the_variables_of_a_run_are_on_top():
    program = program_of(ImageProgram(("train",), {"A": "1", "B": "1"}), {"B": "2"})
    assert program.environment == {"A": "1", "B": "2"}


def test_this_machines_proxies_give_way_to_the_runs_own_but_the_users_do_not():
    image = ImageProgram(("train",), OF_MACHINE)
    assert program_of(image, {}).environment == OF_MACHINE
    assert program_of(image, {}, has_proxy=True).environment == {"A": "1"}
    mine = {"HTTPS_PROXY": "http://mine:2"}
    assert program_of(image, mine, has_proxy=True).environment == {"A": "1", **mine}
