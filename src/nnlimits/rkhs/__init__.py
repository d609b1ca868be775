"""Kernel methods: what lives in the space of functions that a kernel makes, and how quickly it is learnt."""
