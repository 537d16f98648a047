"""obstore's own loop, as its documentation shows it: every object as a stream, eight at a time, no verification."""

import asyncio
import sys
from pathlib import Path

import obstore
from obstore.store import S3Store


async def download(endpoint: str, bucket: str, prefix: str, target: Path) -> None:
    """Every object below the prefix, into files."""
    store = S3Store(
        bucket,
        prefix=prefix,
        endpoint=endpoint,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    room = asyncio.Semaphore(8)

    async def one(path: str) -> None:
        async with room:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            result = await obstore.get_async(store, path)
            with (target / path).open("wb") as file:
                async for chunk in result.stream():
                    file.write(chunk)

    async with asyncio.TaskGroup() as tasks:
        async for chunk in obstore.list(store):
            for meta in chunk:
                tasks.create_task(one(meta["path"]))


if __name__ == "__main__":
    asyncio.run(download(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
