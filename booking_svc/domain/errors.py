"""What can stand in the way of selling a seat; reasons are the codes of the contract in upper case."""

from chassis.errors import InvalidInput, LostRace, NotAllowedNow, NotFound, OverLimit, RequestInFlight


class UnknownStop(NotFound):
    reason = "UNKNOWN_STOP"
    detail = "No stop has this identifier."


class NotServed(NotAllowedNow):
    reason = "NOT_SERVED"
    detail = "This departure does not carry riders from that stop to the other."


class DepartureGone(NotAllowedNow):
    reason = "DEPARTURE_GONE"
    detail = "This departure has left that stop already. Choose a later one."


class DepartureCancelled(NotAllowedNow):
    reason = "DEPARTURE_CANCELLED"
    detail = "This departure does not run. Choose another."


class DepartureExists(NotAllowedNow):
    reason = "ILLEGAL_STATE"
    detail = "This trip is on sale for that service date already."


class SeatTaken(NotAllowedNow):
    reason = "SEAT_TAKEN"
    detail = "A seat that was asked for is taken on a part of the ride. Choose others."


class SoldOut(NotAllowedNow):
    reason = "SOLD_OUT"
    detail = "There are not enough seats left on this part of the ride."


class NeedsNotMet(NotAllowedNow):
    reason = "NEEDS_NOT_MET"
    detail = "No free seats meet what was asked for. Ask for less, or choose another departure."


class QuoteExpired(NotAllowedNow):
    reason = "QUOTE_EXPIRED"
    detail = "The quote has expired. Ask for a new one."


class QuoteChanged(NotAllowedNow):
    reason = "QUOTE_CHANGED"
    detail = "What was quoted is not what is asked for now. Accept a new quote."


class QuoteInvalid(InvalidInput):
    reason = "QUOTE_INVALID"
    detail = "This is not a quote of ours, or not one for this. Ask for a quote."


class HoldExpired(NotAllowedNow):
    reason = "HOLD_EXPIRED"
    detail = "The hold has run out and its seats are free again. Hold seats anew."


class IllegalState(NotAllowedNow):
    reason = "ILLEGAL_STATE"
    detail = "This cannot be done in the present state; see available_actions."


class PaymentUnderWay(RequestInFlight):
    """Another request, or the same with another key, is paying for this booking."""

    detail = "A payment for this booking is under way. Wait, then read the booking."


class PaymentDeclined(NotAllowedNow):
    reason = "PAYMENT_DECLINED"
    detail = "The payment was declined. The seats are still held: try another means of payment."


class TooManyHolds(OverLimit):
    reason = "TOO_MANY_HOLDS"
    detail = "You hold too many bookings already. Confirm or release one, or wait until one expires."


class StaleVersion(LostRace):
    reason = "STALE_VERSION"
