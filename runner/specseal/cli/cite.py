"""`specseal cite`: a bundle as an entry of a bibliography."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from specseal.bundle import TrustStore, verify
from specseal.cli.context import JSON, print_json
from specseal.delivery import Cited, read_doi


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--doi", help="What an archive gave it, such as 10.5281/zenodo.1234567.")
@JSON
def command(bundle: Path, doi: str | None, as_json: bool) -> None:
    """Print BUNDLE's digest and an entry for BibTeX, once it has proven intact.

    Author is the holder of the key that signed it: no name is in a bundle.
    """
    report = verify(bundle, trusted=TrustStore(), now=datetime.now(UTC))
    contents = report.demand(trust=False)
    result = report.signers[0].signature
    cited = Cited(
        bundle=contents.manifest,
        name=contents.spec.name,
        title=contents.spec.title,
        signer=result.key,
        signed=result.created.date(),
        recipe=contents.lock.recipe,
        doi=None if doi is None else read_doi(doi),
    )
    if as_json:
        print_json(cited.to_dict())
    else:
        # BibTeX takes what stands outside of entries for a comment.
        click.echo(f"sha256:{cited.bundle}\n\n{cited.to_bibtex()}")
