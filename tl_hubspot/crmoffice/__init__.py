"""Client of Crmoffice: calls (`client`), what it can do (`capabilities`), reading (`contacts`, `lists`), writing
(`writes`), and what bad answers mean (`reactions`).

Knows HTTP and nothing of links, rules or the database. Crmoffice publishes no API: everything uncertain about it is a
capability.
"""
