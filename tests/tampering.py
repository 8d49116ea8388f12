"""Portable files and row stores that were changed on purpose and sealed again."""

import hashlib
import io
import json
import struct
import zipfile
import zlib

import numpy as np


def sealed(members, compression=zipfile.ZIP_STORED):
    """The bytes of a zip of (name, bytes), with the checksum that a reader expects."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, compression)
        archive.comment = b"0" * 64
    body = buffer.getvalue()[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()


def spoiled(content, rng, n):
    """Yield the kind and the bytes of n files that are not a model."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    kinds = [
        _truncated, _flipped, _flipped_inside, _without_member, _extra_member,
        _other_number, _other_key, _nan_weights, _short_array, _huge_shape,
        _zip_bomb, _no_json, _deep_json, _twice, _bad_scale, _long_number,
    ]  # fmt: skip
    for k in range(n):
        kind = kinds[k % len(kinds)]
        yield kind.__name__, kind(content, dict(members), rng)


def _truncated(content, members, rng):
    return content[: int(rng.integers(0, len(content)))]


def _flipped(content, members, rng):
    changed = bytearray(content)
    changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _flipped_inside(content, members, rng):
    """The checksum is made again; what is flipped are names and sizes of the zip."""
    body = bytearray(content[:-64])
    start = body.rfind(b"PK\x05\x06")
    place = [*range(4), *range(12, 20)][int(rng.integers(12))]  # those that are read
    body[start + place] ^= 1 << int(rng.integers(8))
    return bytes(body) + hashlib.sha256(body).hexdigest().encode()


def _without_member(content, members, rng):
    members.pop(_pick(members, rng))
    return sealed(members.items())


def _extra_member(content, members, rng):
    members["../evil.npy"] = b"x"
    return sealed(members.items())


def _paths(part, found=()):
    """The path of every value of a description."""
    paths = []
    items = part.items() if isinstance(part, dict) else enumerate(part)
    for key, value in items:
        if key == "made_by":
            continue
        paths.append((*found, key))
        if isinstance(value, (dict, list)):
            paths += _paths(value, (*found, key))
    return paths


def _other_number(content, members, rng):
    """A value of another type, or a size that arrays do not have."""
    about = json.loads(members["model.json"])
    sizes = ["n_features", "hidden_size", "num_layers", "n_inputs", "n_outputs"]
    name = sizes[int(rng.integers(len(sizes)))]
    part = about if name in about else about["network"]
    part[name] = [0, -1, part[name] + 1, 1 << 19, 1 << 70, None, "5", 2.5][
        int(rng.integers(8))
    ]
    return _with(members, about)


def _other_key(content, members, rng):
    """A value anywhere in the description that is of no use there."""
    about = json.loads(members["model.json"])
    paths = _paths(about)
    path = paths[int(rng.integers(len(paths)))]
    part = about
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = {"not": ["a", "value"]}
    return _with(members, about)


def _with(members, about):
    members["model.json"] = json.dumps(about).encode()
    return sealed(members.items())


def _pick(members, rng, part=""):
    names = [name for name in members if name.endswith(".npy") and part in name]
    return names[int(rng.integers(len(names)))]


def _nan_weights(content, members, rng):
    name = _pick(members, rng, "net0")
    data = bytearray(members[name])
    bad = [np.nan, np.inf, -np.inf][int(rng.integers(3))]
    data[-4:] = np.float32(bad).tobytes()
    members[name] = bytes(data)
    return sealed(members.items())


def _bad_scale(content, members, rng):
    name = _pick(members, rng, ".scale")
    data = bytearray(members[name])
    data[-8:] = np.float64([0.0, -1.0, np.nan][int(rng.integers(3))]).tobytes()
    members[name] = bytes(data)
    return sealed(members.items())


def _short_array(content, members, rng):
    name = _pick(members, rng)
    cut = int(rng.integers(1, len(members[name])))
    members[name] = members[name][:-cut]
    return sealed(members.items())


def _huge_shape(content, members, rng):
    """A header that promises terabytes, or Python objects."""
    name = _pick(members, rng)
    shape = (1 << 40,) if rng.random() < 0.5 else (3,)
    buffer = io.BytesIO()
    descr = "<f4" if len(shape) and shape[0] > 3 else "|O"
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    members[name] = buffer.getvalue() + b"cos\nsystem\n(S'true'\ntR."
    return sealed(members.items())


def _zip_bomb(content, members, rng):
    members[_pick(members, rng)] = bytes(1 << 22)
    return sealed(members.items(), zipfile.ZIP_DEFLATED)


def _no_json(content, members, rng):
    texts = [b"", b"[]", b"3", b"\xff\xfe", b'{"format": 1}', b"{" * 10, b"NaN"]
    members["model.json"] = texts[int(rng.integers(len(texts)))]
    return sealed(members.items())


def _deep_json(content, members, rng):
    members["model.json"] = b"[" * 200_000
    return sealed(members.items())


def _long_number(content, members, rng):
    number = b'"n_features": ' + b"9" * 9000
    members["model.json"] = members["model.json"].replace(b'"n_features": 3', number)
    return sealed(members.items())


def _twice(content, members, rng):
    text = members["model.json"]
    members["model.json"] = text.replace(b'"task"', b'"format": 1, "task"', 1)
    return sealed(members.items())


# -- row stores ---------------------------------------------------------------------

_END = struct.Struct("<QI24s")  # as in sklearn_gru._tables.store_file


def spoiled_stores(content, rng, n):
    """Yield the kind and the bytes of n stores that are damaged, None for no file."""
    kinds = [
        _store_truncated, _store_flipped, _store_overwritten, _store_shifted,
        _store_swapped, _store_number, _store_key, _store_text, _store_missing,
    ]  # fmt: skip
    for k in range(n):
        kind = kinds[k % len(kinds)]
        yield kind.__name__, kind(content, rng)


def _store_truncated(content, rng):
    return content[: int(rng.integers(len(content)))]


def _store_flipped(content, rng):
    changed = bytearray(content)
    changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _store_overwritten(content, rng):
    """Some bytes become others; at times they are the same."""
    at = int(rng.integers(len(content)))
    some = [b"\0" * 64, b"\xff" * 64, content[:64]][int(rng.integers(3))]
    return content[:at] + some[: len(content) - at] + content[at + 64 :]


def _store_shifted(content, rng):
    at = int(rng.integers(len(content)))
    return content[:at] + content[at : at + 64] + content[at:]


def _store_swapped(content, rng):
    """Two pages change places."""
    pages = [content[at : at + 4096] for at in range(0, len(content), 4096)]
    a, b = rng.integers(0, len(pages), 2)
    pages[a], pages[b] = pages[b], pages[a]
    return b"".join(pages)


def _store_number(content, rng):
    """A size, a place or a type that contradicts the others; sealed again."""
    about = about_store(content)
    n = about["n_rows"]
    number = [0, -1, n + 1, n - 1, 1 << 40, 1 << 70, 2.5, "5", None, True]
    wrong = number[int(rng.integers(len(number)))]
    part, key = [
        (about, "n_rows"),
        (about, "size"),
        (about["counts"], 0),
        (about["places"], "rows"),
        (about["places"], "time"),
        (about["places"], "target"),
    ][int(rng.integers(6))]
    part[key] = wrong
    if rng.random() < 0.2:
        about["time_dtype"] = ["|O", "<f4", "<f8", "|S8", "x", None][rng.integers(6)]
    return sealed_store(content, json.dumps(about).encode())


def _store_key(content, rng):
    """A part of the description is gone, or longer."""
    about = about_store(content)
    names = ["names", "counts", "labels", "places", "categories", "targets", "size"]
    name = names[int(rng.integers(len(names)))]
    if rng.random() < 0.5 or not isinstance(about[name], list):
        del about[name]
    else:
        about[name] = [*about[name], None]
    return sealed_store(content, json.dumps(about).encode())


def _store_text(content, rng):
    texts = [b"", b"[]", b"3", b"null", b"{}", b"\xff\xfe", b"{" * 9, b"[" * 200_000]
    return sealed_store(content, texts[int(rng.integers(len(texts)))])


def _store_missing(content, rng):
    return None


def about_store(content):
    length, _, _ = _END.unpack(content[-_END.size :])
    return json.loads(content[-_END.size - length : -_END.size])


def sealed_store(content, text):
    """Return a store with another description, whose checksum is right."""
    length, _, magic = _END.unpack(content[-_END.size :])
    end = _END.pack(len(text), zlib.crc32(text), magic)
    return content[: -_END.size - length] + text + end
