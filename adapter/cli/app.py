"""All commands in one list; each lives in the file of its part."""

from __future__ import annotations

import typer

from adapter.cli import accounts, auditing, catalogue, records, service, validating, verification

app = typer.Typer(
    name="kykysilta",
    help="Work-ability records from any Finnish EHR to a Kanta-style FHIR R4 repository, and back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(service.demo)
app.command("map")(records.map_files)
app.command("unmap")(records.unmap_files)
app.command("explain")(records.explain_file)
app.command("validate")(validating.validate_files)
app.command("decide")(records.decide_file)
app.command("generate")(records.generate)
app.command("send")(service.send)
app.command("serve")(service.serve)
app.command("verify-log")(verification.verify_log)
app.command("log-copy")(auditing.log_copy)
app.add_typer(auditing.audit_app, name="audit")
app.add_typer(accounts.accounts_app, name="accounts")
app.add_typer(service.config_app, name="config")
app.add_typer(service.outbox_app, name="outbox")
app.add_typer(catalogue.mappings_app, name="mappings")
app.add_typer(catalogue.profiles_app, name="profiles")
app.add_typer(catalogue.mock_app(), name="mock")
