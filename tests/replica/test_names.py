import pytest

from replica.names import path_of, url_of


@pytest.mark.parametrize(
    ("digital_id", "suffix", "path"),
    [
        ("ppmsca.18256", "u.tif", "master/pnp/ppmsca/18200/18256u.tif"),
        ("ppmsc.06712", "v.jpg", "service/pnp/ppmsc/06700/06712v.jpg"),
        ("cph.3b49078", "_150px.jpg", "service/pnp/cph/3b40000/3b49000/3b49000/3b49078_150px.jpg"),
        ("cph.3f05146", "t.gif", "service/pnp/cph/3f00000/3f05000/3f05100/3f05146t.gif"),
        ("fsac.1a33849", "r.jpg", "service/pnp/fsac/1a33000/1a33800/1a33849r.jpg"),
    ],
)
def test_paths_follow_the_folder_rules_of_the_library(
    digital_id: str, suffix: str, path: str
) -> None:
    assert path_of(digital_id, suffix) == f"/storage-services/{path}"
    assert url_of(digital_id, suffix) == f"https://tile.loc.gov/storage-services/{path}"
