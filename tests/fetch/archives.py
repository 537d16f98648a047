"""Archives, read as the fetcher does."""

from slipway.fetch import archive
from slipway.fetch.settings import Source


def surveyed(content: bytes) -> None:
    """Read an archive as the fetcher does before anything of it is kept."""
    source, files = Source(uri="https://host/b.tar"), archive.SmallFiles()
    members = archive.unpack(archive.Reader(iter((content,))), source, files, None)
    archive.survey(members, files.contents, source)
