"""Names, errors, contexts and tables that every room shares. No input or output happens here."""
