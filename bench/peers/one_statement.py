"""One statement a booking: a counter in the departure's row gives the seat, and common table expressions the rows.

It is the strongest form, and less than the product does: whole rides only, for a statement that waited for a row sees
that row anew but no other, so that it cannot look for a seat among masks. Contents are made by the database.
"""

import secrets
import time
from typing import Any

import psycopg

from bench.peers.rows import HOLD_MICROSECONDS, Hold
from chassis.ids import new_id

STATEMENT = """
WITH sold AS (
  UPDATE occupancies SET search_from = search_from + 1, version = version + 1,
    taken = (SELECT json_agg(one::int + 1)::text FROM json_array_elements_text(taken::json) one)
  WHERE departure_id = (SELECT id FROM departures WHERE id = %(departure)s AND state = 'scheduled')
    AND search_from < (SELECT capacity FROM departures WHERE id = %(departure)s)
  RETURNING search_from - 1 AS seat, taken
), masks AS (
  INSERT INTO seat_masks (departure_id, seat_index, word, taken) SELECT %(departure)s, seat, 0, 7 FROM sold
), booked AS (
  INSERT INTO bookings (id, reference, rider_id, operator_id, state, hold_expires_at, expires_at, legs, currency,
    payment_state, action_url, contact_email, contact_phone, created_at, version)
  SELECT %(booking)s, %(reference)s, %(rider)s, 'opr_sea', 'held', %(until)s, %(until)s,
    json_build_array(json_build_array(%(departure)s::text, 0, 3))::text, 'EUR', 'none', '', 'rider@example.com', '',
    %(now)s, 1 FROM sold
), seated AS (
  INSERT INTO items (booking_id, position, id, leg_index, departure_id, origin_sequence, destination_sequence,
    passenger_name, category, seat_id, seat_index, state, boarding, price_minor, ticket_id, ticket_code, expires_at)
  SELECT %(booking)s, 0, %(item)s, 0, %(departure)s, 0, 3, 'Ada Lovelace', 'adult', (seat + 1)::text, seat, 'held',
    'expected', 1250, '', '', %(until)s FROM sold
), told AS (
  INSERT INTO outbox (id, stream, subject, type, payload, traceparent, created_at)
  SELECT %(held)s, 'BOOKING', 'headway.v1.booking.held.opr_sea.' || %(departure)s, 'held',
    convert_to(json_build_object('booking_id', %(booking)s::text, 'item_id', %(item)s::text, 'seat', seat + 1,
      'total_minor', 1250)::text, 'UTF8'), '', %(now)s FROM sold
  UNION ALL
  SELECT %(changed)s, 'AVAILABILITY', 'headway.v1.availability.changed.opr_sea.' || %(departure)s, 'changed',
    convert_to(json_build_object('departure_id', %(departure)s::text, 'taken', taken::json)::text, 'UTF8'),
    '', %(now)s FROM sold
), noted AS (
  INSERT INTO booking_history (booking_id, version, fact, item_ids, amount_minor, currency, actor, occurred_at)
  SELECT %(booking)s, 1, 'held', json_build_array(%(item)s::text)::text, 1250, 'EUR', %(rider)s, %(now)s FROM sold
), replied AS (
  INSERT INTO replies (digest, fingerprint, reply, created_at)
  SELECT %(key)s, '', convert_to(json_build_object('id', %(booking)s::text, 'reference', %(reference)s::text,
    'state', 'held', 'rider_id', %(rider)s::text, 'item', %(item)s::text, 'seat', seat + 1, 'total_minor', 1250,
    'currency', 'EUR', 'hold_expires_at', %(until)s::bigint)::text, 'UTF8'), %(now)s FROM sold
)
SELECT seat FROM sold
"""


async def hold(connection: psycopg.AsyncConnection[Any], wanted: Hold) -> bool:
    """Hold the next seat; tell whether there was one."""
    now = time.time_ns() // 1000
    values = {
        "departure": wanted.departure_id, "booking": new_id("bkg"), "item": new_id("itm"), "held": new_id("evt"),
        "changed": new_id("evt"), "reference": secrets.token_hex(5), "rider": wanted.rider_id, "key": wanted.key,
        "now": now, "until": now + HOLD_MICROSECONDS,
    }  # fmt: skip
    cursor = await connection.execute(STATEMENT, values)
    return await cursor.fetchone() is not None
