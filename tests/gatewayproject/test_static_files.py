"""Static files in production: hashed names, also in the imports of JavaScript modules."""

import re
from pathlib import Path

from django.core.files import File
from django.core.files.storage import FileSystemStorage

from gatewayproject.static_files import StaticFilesStorage
from tests.installation import ROOT


def test_modules_import_each_other_by_their_hashed_names(tmp_path: Path) -> None:
    source = FileSystemStorage(location=ROOT / "static")
    storage = StaticFilesStorage(location=tmp_path, base_url="/static/")
    modules = [f"js/{path.name}" for path in (ROOT / "static/js").glob("*.js")]
    for name in modules:
        storage.save(name, File((ROOT / "static" / name).open("rb")))

    outcomes = list(storage.post_process({name: (source, name) for name in modules}))

    assert [processed for _, _, processed in outcomes if isinstance(processed, Exception)] == []
    imported = {
        path
        for name in storage.hashed_files.values()
        for path in re.findall(
            r"""\b(?:from|import)\s*\(?["'](.+?)["']""", storage.open(name).read().decode()
        )
    }
    assert "./dom" in {path.split(".js")[0].rpartition(".")[0] for path in imported}
    for path in imported:
        assert re.fullmatch(r"\./\w+\.[0-9a-f]{12}\.js", path)
        assert (tmp_path / "js" / path).exists()


def test_every_style_sheet_is_linked() -> None:
    linked = (ROOT / "templates/ui/stylesheets.html").read_text()
    sheets = {path.name for path in (ROOT / "static/css").glob("*.css")}

    assert set(re.findall(r"css/([\w-]+\.css)", linked)) == sheets - {"admin.css"}
