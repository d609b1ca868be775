"""A stand-in that satisfies `import tensorflow` in the peer's environment.

neural-tangents imports TensorFlow for one experimental converter, through `jax2tf` and `tf2jax`; no kernel uses it. The
stand-in answers those imports with placeholders, which spares an installation of more than a gigabyte.
"""

import importlib.abc
import importlib.machinery
import sys
import types

MODULES = ("tensorflow", "tf2jax", "jax.experimental.jax2tf")


class Placeholder:
    """Stands for a class or a constant that is named at import time and never used."""

    def __init__(self, *args, **kwargs):
        pass

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Placeholder()

    def __call__(self, *args, **kwargs):
        return Placeholder()


class PlaceholderModule(types.ModuleType):
    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Placeholder,), {}) if name[:1].isupper() else Placeholder()


class StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, fullname, path=None, target=None):
        if any(fullname == module or fullname.startswith(module + ".") for module in MODULES):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):
        return PlaceholderModule(spec.name)

    def exec_module(self, module):
        pass


def install():
    """Answer imports of TensorFlow with placeholders from now on."""
    sys.meta_path.insert(0, StandInFinder())
