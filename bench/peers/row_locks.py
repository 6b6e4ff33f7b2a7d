"""SELECT ... FOR UPDATE: every booking locks its departure, looks, writes and commits, on a pool of connections."""

import json
from typing import Any

import psycopg

from bench.peers.rows import RIDE, Hold, rows_of

KNOWN = "SELECT reply FROM replies WHERE digest = %s"
LOCK = "SELECT capacity FROM departures WHERE id = %s AND state = 'scheduled' FOR NO KEY UPDATE"
COUNTS = "SELECT taken, search_from, version FROM occupancies WHERE departure_id = %s"
BLOCK = "SELECT seat_index, taken FROM seat_masks WHERE departure_id = %s AND seat_index >= %s AND seat_index < %s"
TAKE = "INSERT INTO seat_masks (departure_id, seat_index, word, taken) VALUES (%s, %s, 0, %s)"
SAVE = "UPDATE occupancies SET taken = %s, search_from = %s, version = %s WHERE departure_id = %s"
BLOCK_SEATS = 64


async def hold(connection: psycopg.AsyncConnection[Any], wanted: Hold) -> bool:
    """Hold the first free seat; tell whether there was one."""
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.execute(KNOWN, (wanted.key,))
        if await cursor.fetchone() is not None:
            return True
        await cursor.execute(LOCK, (wanted.departure_id,))
        ((capacity,),) = await cursor.fetchall()
        await cursor.execute(COUNTS, (wanted.departure_id,))
        ((content, start, version),) = await cursor.fetchall()
        counts = [taken + 1 for taken in json.loads(content)]
        if max(counts) > capacity:
            return False
        await cursor.execute(BLOCK, (wanted.departure_id, start, start + BLOCK_SEATS))
        masks = dict(await cursor.fetchall())
        seat = next(seat for seat in range(start, capacity) if not masks.get(seat, 0) & RIDE)
        await cursor.execute(TAKE, (wanted.departure_id, seat, RIDE))
        await cursor.execute(SAVE, (json.dumps(counts), seat + 1, version + 1, wanted.departure_id))
        for table, rows in rows_of(wanted, seat=seat, counts=counts).items():
            await insert(cursor, table, rows)
    return True


async def insert(cursor: psycopg.AsyncCursor[Any], table: str, rows: list[dict[str, Any]]) -> None:
    """Insert some rows of one table in one statement."""
    names = list(rows[0])
    places = f"({', '.join(['%s'] * len(names))})"
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([places] * len(rows))}"
    await cursor.execute(statement, [value for row in rows for value in row.values()])
