"""Durable state: metadata in SQL, content as files. The only truth; everything else can be rebuilt from here."""
