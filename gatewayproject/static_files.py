"""Static files with hashed names, for which JavaScript modules import each other by those names."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # no types
    """Whitenoise's storage, which also rewrites the imports of our modules.

    Django's ``support_js_module_import_aggregation`` would do the same for the scripts of every
    package, and django-htmx has one that imports a name no file has.
    """

    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("js/*.js", ((r'(?P<matched>from "(?P<url>\./[\w-]+\.js)";)', 'from "%(url)s";'),)),
    )
