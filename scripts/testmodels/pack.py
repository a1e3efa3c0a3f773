"""Writes models, goldens and releases. The same bytes for the same content: no time stamps, no compression."""
import hashlib
import io
import pathlib
import zipfile

import numpy as np


def npz(arrays):
    """A .npz as bytes; arrays maps keys to values in order."""
    buf = io.BytesIO()
    with zipfile.ZipFile(buf, "w", zipfile.ZIP_STORED) as z:
        for key, a in arrays.items():
            one = io.BytesIO()
            np.lib.format.write_array(one, np.ascontiguousarray(a), version=(1, 0))
            z.writestr(zipfile.ZipInfo(key + ".npy", (1980, 1, 1, 0, 0, 0)), one.getvalue())
    return buf.getvalue()


def sha256(data):
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def release(folder, model, version, data, golden, note, listed=None):
    """A release folder: the model, its golden values, release.toml. listed replaces data when hashes are taken, for a release
    that was damaged after its hashes were written."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(data)
    (folder / "golden.npz").write_bytes(golden)
    (folder / "release.toml").write_text(f"""# {note}
model = "{model}"
file = "model.tflite"
version = "{version}"

[sha256]
"model.tflite" = "{sha256(data if listed is None else listed)}"
"golden.npz" = "{sha256(golden)}"
""", encoding="utf-8")
