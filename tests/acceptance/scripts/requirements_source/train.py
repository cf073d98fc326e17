"""A user's script that needs a package which the image does not have."""

import os
from pathlib import Path

import wildwords

print("imported", wildwords.VERSION)
Path(os.environ["SM_MODEL_DIR"], "version").write_text(wildwords.VERSION)
