"""The tables. Codes, tokens and cookies are stored as SHA-256 digests only; times are seconds since the epoch."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

owners = Table(
    "owners",
    metadata,
    Column("subject_id", String(64), primary_key=True),
    Column("password_hash", String(255), nullable=False),
)

owner_sessions = Table(
    "owner_sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("subject_id", ForeignKey("owners.subject_id"), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("ended_at", Float),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("bucket", String(160), nullable=False),
    Column("at", Float, nullable=False),
    Index(None, "bucket", "at"),
)
"""Wrong passwords and wrong user codes, counted per session and per address."""

clients = Table(
    "clients",
    metadata,
    Column("client_id", String(500), primary_key=True),
    Column("registration_mode", String(40), nullable=False),
    Column("metadata", Text, nullable=False),
    Column("subject_id", ForeignKey("owners.subject_id")),
    Column("issued_at", Float, nullable=False),
    Column("fetched_at", Float),
)

authorization_requests = Table(
    "authorization_requests",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("flow", String(24), nullable=False),
    Column("request_kind", String(24), nullable=False),
    Column("token_kind", String(8), nullable=False),
    Column("client_id", ForeignKey("clients.client_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("state", String(10), nullable=False),
    Column("resource", String(500), nullable=False),
    Column("authorization_details", Text),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    Column("decided_at", Float),
    Column("subject_id", ForeignKey("owners.subject_id")),
    # device authorization (RFC 8628)
    Column("device_code_digest", LargeBinary(32), unique=True),
    Column("user_code_digest", LargeBinary(32), unique=True),
    Column("interval", Integer),
    Column("last_polled_at", Float),
    # authorization code (RFC 6749 §4.1), pushed or not (RFC 9126)
    Column("request_uri_digest", LargeBinary(32), unique=True),
    Column("redirect_uri", String(2000)),
    Column("state_parameter", Text),
    Column("code_challenge", String(128)),
    Column("code_digest", LargeBinary(32), unique=True),
    Column("code_expires_at", Float),
)
"""Every request for the owner's decision, of either kind and either flow: the one persisted state table."""

grants = Table(
    "grants",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("package_id", String(40), index=True),
    Column("client_id", ForeignKey("clients.client_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("subject_id", ForeignKey("owners.subject_id"), nullable=False),
    Column("request_id", String(40), nullable=False, index=True),
    Column("detail", Text, nullable=False),
    Column("resource", String(500), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)

tokens = Table(
    "tokens",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("use", String(8), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("client_id", ForeignKey("clients.client_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("subject_id", ForeignKey("owners.subject_id"), nullable=False),
    Column("resource", String(500), nullable=False),
    Column("request_id", String(40), nullable=False, index=True),
    Column("grant_id", String(40), index=True),
    Column("package_id", String(40), index=True),
    Column("issued_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("revoked_at", Float),
    Column("rotated", Boolean, nullable=False, default=False),
)
"""Access and refresh tokens. Those of one ``request_id`` are one family: a replay revokes them all."""
