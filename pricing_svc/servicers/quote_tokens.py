from chassis.keys import TOKEN_BYTES_MAX, Signer
from pricing_svc import translate
from pricing_svc.domain.errors import QuoteTooLarge
from pricing_svc.domain.quote import Quote

TYP = "quote+jwt"


def quote_token(signer: Signer, quote: Quote) -> str:
    """Sign a quote, so that booking can honour it without asking; raise QuoteTooLarge for more than a token holds."""
    token = signer.sign(translate.quote_claims(quote), typ=TYP, now=quote.quoted_at, ttl=quote.lifetime)
    if len(token) > TOKEN_BYTES_MAX:
        raise QuoteTooLarge
    return token
