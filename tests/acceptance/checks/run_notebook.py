"""Run a notebook as Jupyter does, with the kernel of a name; print what its cells printed, as JSON."""

import json
import sys

import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=240, kernel_name=sys.argv[2]).execute()
outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
print(json.dumps("".join(output.get("text", "") for output in outputs)))
