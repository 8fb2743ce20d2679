"""A simulated exchange: one account on one or two spot markets, in virtual time, outside the crash domain.

Owns the exchange itself (`exchange`), what one life of the engine sees of it (`client`), the weather between the two
(`terms`, `weather`), and who watches it (`monitor`). Never touches a socket, a file or a real clock.
"""
