"""The public estimators and the parts they are made of."""
