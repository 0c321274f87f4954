"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("bucket", sa.String(length=160), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_bucket_at"), "attempts", ["bucket", "at"], unique=False)
    op.create_table(
        "owners",
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_owners")),
    )
    op.create_table(
        "clients",
        sa.Column("client_id", sa.String(length=500), nullable=False),
        sa.Column("registration_mode", sa.String(length=40), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=True),
        sa.Column("issued_at", sa.Float(), nullable=False),
        sa.Column("fetched_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["owners.subject_id"], name=op.f("fk_clients_subject_id_owners")),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_clients")),
    )
    op.create_table(
        "owner_sessions",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["owners.subject_id"], name=op.f("fk_owner_sessions_subject_id_owners")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_owner_sessions")),
    )
    op.create_table(
        "authorization_requests",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("flow", sa.String(length=24), nullable=False),
        sa.Column("request_kind", sa.String(length=24), nullable=False),
        sa.Column("token_kind", sa.String(length=8), nullable=False),
        sa.Column("client_id", sa.String(length=500), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("resource", sa.String(length=500), nullable=False),
        sa.Column("authorization_details", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("decided_at", sa.Float(), nullable=True),
        sa.Column("subject_id", sa.String(length=64), nullable=True),
        sa.Column("device_code_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("user_code_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("interval", sa.Integer(), nullable=True),
        sa.Column("last_polled_at", sa.Float(), nullable=True),
        sa.Column("request_uri_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("redirect_uri", sa.String(length=2000), nullable=True),
        sa.Column("state_parameter", sa.Text(), nullable=True),
        sa.Column("code_challenge", sa.String(length=128), nullable=True),
        sa.Column("code_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("code_expires_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            name=op.f("fk_authorization_requests_client_id_clients"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["owners.subject_id"], name=op.f("fk_authorization_requests_subject_id_owners")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authorization_requests")),
        sa.UniqueConstraint("code_digest", name=op.f("uq_authorization_requests_code_digest")),
        sa.UniqueConstraint("device_code_digest", name=op.f("uq_authorization_requests_device_code_digest")),
        sa.UniqueConstraint("request_uri_digest", name=op.f("uq_authorization_requests_request_uri_digest")),
        sa.UniqueConstraint("user_code_digest", name=op.f("uq_authorization_requests_user_code_digest")),
    )
    op.create_index(op.f("ix_authorization_requests_client_id"), "authorization_requests", ["client_id"], unique=False)
    op.create_index(
        op.f("ix_authorization_requests_expires_at"), "authorization_requests", ["expires_at"], unique=False
    )
    op.create_table(
        "grants",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("package_id", sa.String(length=40), nullable=True),
        sa.Column("client_id", sa.String(length=500), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("resource", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("revoked_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.client_id"], name=op.f("fk_grants_client_id_clients"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["subject_id"], ["owners.subject_id"], name=op.f("fk_grants_subject_id_owners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
    )
    op.create_index(op.f("ix_grants_client_id"), "grants", ["client_id"], unique=False)
    op.create_index(op.f("ix_grants_package_id"), "grants", ["package_id"], unique=False)
    op.create_index(op.f("ix_grants_request_id"), "grants", ["request_id"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("use", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("client_id", sa.String(length=500), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("resource", sa.String(length=500), nullable=False),
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("grant_id", sa.String(length=40), nullable=True),
        sa.Column("package_id", sa.String(length=40), nullable=True),
        sa.Column("issued_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("revoked_at", sa.Float(), nullable=True),
        sa.Column("rotated", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.client_id"], name=op.f("fk_tokens_client_id_clients"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["subject_id"], ["owners.subject_id"], name=op.f("fk_tokens_subject_id_owners")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_tokens")),
    )
    op.create_index(op.f("ix_tokens_client_id"), "tokens", ["client_id"], unique=False)
    op.create_index(op.f("ix_tokens_grant_id"), "tokens", ["grant_id"], unique=False)
    op.create_index(op.f("ix_tokens_package_id"), "tokens", ["package_id"], unique=False)
    op.create_index(op.f("ix_tokens_request_id"), "tokens", ["request_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_tokens_request_id"), table_name="tokens")
    op.drop_index(op.f("ix_tokens_package_id"), table_name="tokens")
    op.drop_index(op.f("ix_tokens_grant_id"), table_name="tokens")
    op.drop_index(op.f("ix_tokens_client_id"), table_name="tokens")
    op.drop_table("tokens")
    op.drop_index(op.f("ix_grants_request_id"), table_name="grants")
    op.drop_index(op.f("ix_grants_package_id"), table_name="grants")
    op.drop_index(op.f("ix_grants_client_id"), table_name="grants")
    op.drop_table("grants")
    op.drop_index(op.f("ix_authorization_requests_expires_at"), table_name="authorization_requests")
    op.drop_index(op.f("ix_authorization_requests_client_id"), table_name="authorization_requests")
    op.drop_table("authorization_requests")
    op.drop_table("owner_sessions")
    op.drop_table("clients")
    op.drop_table("owners")
    op.drop_index(op.f("ix_attempts_bucket_at"), table_name="attempts")
    op.drop_table("attempts")
