"""The part of AWS's package of this name that users' scripts import."""
