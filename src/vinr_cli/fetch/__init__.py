"""One downloader, for weights (known by what they hash to) and inputs (known by a validator)."""
