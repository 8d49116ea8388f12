"""What every folder uses: rules of parameters, warnings, links to the docs."""
