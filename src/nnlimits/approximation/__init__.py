"""Universal approximation made constructive: theorems that return a network and a certified error."""
