"""Write cli/sample_network from places, ways, lines and calendars: python -m tests.sample_network."""

from tests.sample_network.feed import FOLDER, files

for name, content in files().items():
    (FOLDER / name).write_text(content, encoding="utf-8", newline="\n")
