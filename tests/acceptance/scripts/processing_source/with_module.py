"""The same, from an archive with a module beside the script."""

import words

print(words.GREETING)
import scale  # noqa: E402,F401 - it is a script
