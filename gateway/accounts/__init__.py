"""Who you are: riders, guests, staff, clients and devices; their tokens; what they did with them."""
