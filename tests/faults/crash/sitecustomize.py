"""Ends the process at its N-th commit: Python imports this module at its start, the server knows nothing of it.

``CRASH_AT`` is ``N:before`` or ``N:after``: a commit that never was, or one that nobody was told of.
"""

import itertools
import os
import sqlite3

_number, _, _side = os.environ.get("CRASH_AT", "0:").partition(":")
_commits = itertools.count(1)
_connect = sqlite3.connect


class _Connection(sqlite3.Connection):
    def execute(self, sql, *parameters):
        if sql != "COMMIT":
            return super().execute(sql, *parameters)
        return self._commit(sql, super().execute)

    def executescript(self, sql):  # migrations
        return self._commit(sql, super().executescript)

    def _commit(self, sql, run):
        is_the_one = next(_commits) == int(_number)
        if is_the_one and _side == "before":
            os._exit(9)
        result = run(sql)
        if is_the_one:
            os._exit(9)
        return result


if int(_number):
    sqlite3.connect = lambda *arguments, **options: _connect(*arguments, factory=_Connection, **options)
