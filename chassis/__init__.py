"""Plumbing that every process shares: databases, the write path, the broker, gRPC, keys.

What belongs here knows no business word. A thing that only one service needs stays in that service.
"""
