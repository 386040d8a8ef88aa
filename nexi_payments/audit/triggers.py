"""SQL that makes the audit trail append-only in PostgreSQL, for the owner of the
tables.

The app never updates or deletes an entry, but for the erasure of personal data. With
these triggers the database refuses it, too, from anybody who cannot drop them: run the
app as a role that does not own the table.
"""

from __future__ import annotations

from typing import Final

from nexi_payments import conf
from nexi_payments.models.audit import AuditEntry

_SQL: Final = """\
CREATE OR REPLACE FUNCTION nexi_audit_append_only() RETURNS trigger AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        -- the erasure of personal data whose time is over
        IF {erasable}
            AND NEW.personal = '' AND NEW.salt = ''
            AND to_jsonb(NEW) - 'personal' - 'salt'
                = to_jsonb(OLD) - 'personal' - 'salt'
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit trail of nexi_payments is append-only';
END
$$ LANGUAGE plpgsql;

DROP TRIGGER IF EXISTS nexi_audit_rows ON {table};
CREATE TRIGGER nexi_audit_rows BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION nexi_audit_append_only();
DROP TRIGGER IF EXISTS nexi_audit_table ON {table};
CREATE TRIGGER nexi_audit_table BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION nexi_audit_append_only();
"""


def postgresql_triggers() -> str:
    """The statements, with the current ``AUDIT_RETENTION``. Idempotent."""
    seconds = conf.current().audit_retention
    erasable = "false"
    if seconds is not None:
        erasable = f"OLD.at < now() - interval '{seconds:f} seconds'"
    return _SQL.format(table=f'"{AuditEntry._meta.db_table}"', erasable=erasable)
