"""What a file is, by its first bytes."""

from __future__ import annotations

from typing import Final

IMAGE_NAMES: Final = {
    "image/png": "PNG image",
    "image/jpeg": "JPEG image",
    "image/gif": "GIF image",
    "image/webp": "WebP image",
}

_KINDS: Final = (
    (b"%PDF-", "PDF document"),
    (b"PK\x03\x04", "ZIP archive or office document"),
    (b"\x1f\x8b", "gzip data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"\x7fELF", "ELF program or library"),
    (b"MZ", "Windows program or library"),
    (b"\xcf\xfa\xed\xfe", "macOS program or library"),
    (b"\xca\xfe\xba\xbe", "Java class or macOS program"),
    (b"\0asm", "WebAssembly module"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"OggS", "Ogg media"),
    (b"ID3", "MP3 audio"),
    (b"fLaC", "FLAC audio"),
    (b"BM", "BMP image"),
    (b"II*\0", "TIFF image"),
    (b"MM\0*", "TIFF image"),
    (b"\0\0\1\0", "icon"),
    (b"wOF2", "font"),
    (b"wOFF", "font"),
    (b"\xff\xfe\0\0", "UTF-32 text"),
)


def image_type_of(data: bytes) -> str | None:
    """The media type of an image that models may know."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if data.startswith(b"RIFF") and data[8:12] == b"WEBP" else None


def kind_of(data: bytes) -> str:
    """A word or two for a person; empty where it is not known."""
    if image := image_type_of(data):
        return IMAGE_NAMES[image]
    if data[4:8] == b"ftyp":
        return "MP4 or similar media"
    if data[257:262] == b"ustar":
        return "tar archive"
    return next((kind for start, kind in _KINDS if data.startswith(start)), "")
