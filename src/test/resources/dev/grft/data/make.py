"""Makes the images beside this file, and what Pillow decodes and resizes them to (*.expected.png).

    pip install numpy pillow torchvision && python3 make.py
"""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageOps, PngImagePlugin
from torchvision.transforms.functional import InterpolationMode, resized_crop

HERE = pathlib.Path(__file__).parent
HEIGHT, WIDTH = 24, 40
BOXES = [(3, 11, 28, 33), (0, 0, 10, 8), (20, 30, 17, 23), (0, 0, 37, 53)]  # top, left, height, width of random crops


def smooth():
    """Returns [24, 40, 3]: red grows to the right, green downward, blue along the diagonal."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    rgb = np.stack([x * 255 / (WIDTH - 1), y * 255 / (HEIGHT - 1), (x + y) * 255 / (WIDTH + HEIGHT - 2)], axis=2)
    return Image.fromarray(rgb.astype(np.uint8))


def png(path, depth, color, rows):
    """Writes a PNG of kinds that Pillow does not write; rows are packed big-endian bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, color, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def bmp(path, rgb, bits):
    """Writes a BMP of 16 bits per pixel, which Pillow does not write: red, green and blue of so many bits each."""
    colors = [np.asarray(rgb)[::-1, :, color].astype(np.uint16) >> 8 - bits[color] for color in range(3)]
    pixels = colors[0] << bits[1] + bits[2] | colors[1] << bits[2] | colors[2]
    rows = np.pad(pixels, ((0, 0), (0, pixels.shape[1] % 2))).astype("<u2").tobytes()  # of whole 4 bytes
    masks = b"" if bits == (5, 5, 5) else struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    start = 54 + len(masks)
    header = struct.pack("<IiiHHIIiiII", 40, rgb.width, rgb.height, 1, 16, 3 if masks else 0, len(rows), 0, 0, 0, 0)
    path.write_bytes(b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + masks + rows)


def expect(name, image):
    image.convert("RGB").save(HERE / f"{name}.expected.png", optimize=True)


def decoded():
    rgb = smooth()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    jpeg = {"quality": 95, "subsampling": 0}
    rgb.save(HERE / "rgb.jpg", **jpeg)
    rgb.save(HERE / "half-chroma.jpg", quality=95, subsampling=2)
    rgb.save(HERE / "progressive.jpg", progressive=True, **jpeg)
    rgb.save(HERE / "profile.jpg", icc_profile=profile, **jpeg)
    rgb.save(HERE / "broken-profile.jpg", icc_profile=profile[:200], **jpeg)
    rgb.save(HERE / "stored-rgb.jpg", keep_rgb=True, **jpeg)
    rgb.convert("L").save(HERE / "gray.jpg", quality=95)
    rgb.convert("CMYK").save(HERE / "cmyk.jpg", quality=95)
    rgb.save(HERE / "rgb.png")
    rgb.convert("L").save(HERE / "gray.png")
    rgb.quantize(20).save(HERE / "palette.png")
    rgb.convert("1").save(HERE / "one-bit.png")
    transparent = rgb.copy()
    transparent.putalpha(rgb.convert("L"))
    transparent.save(HERE / "alpha.png")
    rgb.convert("LA").save(HERE / "gray-alpha.png")
    for path in sorted(HERE.glob("*.*")):
        mine = not path.name.startswith(("noise", "16", "4")) and ".expected" not in path.name
        if mine and path.suffix in (".jpg", ".png"):
            expect(path.name, Image.open(path))

    # 16 bits: the upper 8 count, as in libpng. 4 bits: 0..15 becomes 0..255.
    fine = np.arange(HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3) * 22 % 65536
    png(HERE / "16-bit-rgb.png", 16, 2, [row.astype(">u2").tobytes() for row in fine])
    expect("16-bit-rgb.png", Image.fromarray((fine >> 8).astype(np.uint8)))
    png(HERE / "16-bit-gray.png", 16, 0, [row[:, 0].astype(">u2").tobytes() for row in fine])
    expect("16-bit-gray.png", Image.fromarray((fine[:, :, 0] >> 8).astype(np.uint8)))
    nibbles = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 7) % 16
    pairs = nibbles[:, ::2] * 16 + nibbles[:, 1::2]
    png(HERE / "4-bit-gray.png", 4, 0, [row.astype(np.uint8).tobytes() for row in pairs])
    expect("4-bit-gray.png", Image.fromarray((nibbles * 17).astype(np.uint8)))


def resized():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8))
    noise.save(HERE / "noise.png")
    for height, width in [(20, 30), (64, 96), (5, 7), (37, 20), (80, 53), (1, 1)]:
        noise.resize((width, height), Image.BILINEAR).save(HERE / f"noise-{height}x{width}.expected.png", optimize=True)
    for name in ("nearest", "box", "hamming", "bicubic", "lanczos"):
        for height, width in [(20, 30), (64, 96), (5, 7), (37, 20)]:
            small = noise.resize((width, height), Image.Resampling[name.upper()])
            small.save(HERE / f"noise-{name}-{height}x{width}.expected.png", optimize=True)


def cropped():
    """Random crops are cut out before they are resized: torchvision's resized_crop of a Pillow image."""
    noise = Image.open(HERE / "noise.png")
    for name in ("bilinear", "bicubic"):
        for top, left, height, width in BOXES:
            crop = resized_crop(noise, top, left, height, width, [16, 16], InterpolationMode(name))
            crop.save(HERE / f"noise-{name}-crop-{top}-{left}-{height}-{width}.expected.png", optimize=True)


def others():
    """WebP, GIF, BMP, TIFF, MPO: of an animation the first frame, of pages the first."""
    rgb = smooth().crop((0, 0, 39, 23))  # odd sizes: the last chroma sample belongs to one pixel
    photo = Image.fromarray(np.random.default_rng(1).integers(0, 256, (4, 7, 3), np.uint8)).resize((39, 23), Image.BICUBIC)
    moved = [photo, rgb.rotate(180)]
    small = photo.crop((0, 0, 11, 9))
    transparent = rgb.copy()
    transparent.putalpha(rgb.convert("L"))
    gray, palette, bits = rgb.convert("L"), rgb.quantize(20), rgb.convert("1")
    many = dict(save_all=True, append_images=moved)
    files = {
        "lossy.webp": (photo, dict(quality=80)),
        "coarse.webp": (photo.crop((0, 0, 38, 22)), dict(quality=5)),
        "lossy-alpha.webp": (transparent, dict(quality=80)),
        "lossless.webp": (transparent, dict(lossless=True)),
        "animated.webp": (photo, dict(quality=80, duration=100, save_all=True, append_images=[rgb])),
        "animated-lossless.webp": (photo, dict(lossless=True, duration=100, **many)),
        "animated.gif": (rgb, dict(duration=100, **many)),
        "palette.gif": (palette, {}),
        "transparent.gif": (palette, dict(transparency=3)),
        "rgb.bmp": (rgb, {}),
        "gray.bmp": (gray, {}),
        "palette.bmp": (palette, {}),
        "one-bit.bmp": (bits, {}),
        "alpha.bmp": (transparent, {}),
        "pages.tif": (rgb, many),
        "lzw.tif": (rgb, dict(compression="tiff_lzw")),
        "deflate.tif": (rgb, dict(compression="tiff_adobe_deflate")),
        "packbits.tif": (rgb, dict(compression="packbits")),
        "fax.tif": (bits, dict(compression="group4")),
        "gray.tif": (gray, {}),
        "one-bit.tif": (bits, {}),
        "palette.tif": (palette, {}),
        "alpha.tif": (transparent, {}),
        "cmyk.tif": (rgb.convert("CMYK"), {}),
        "jpeg.tif": (rgb, dict(compression="jpeg")),
        "pictures.mpo": (rgb, dict(quality=95, subsampling=0, **many)),
    }
    for name, (image, options) in files.items():
        image.save(HERE / name, **options)
        expect(name, Image.open(HERE / name))

    for name, bits in (("rgb555.bmp", (5, 5, 5)), ("rgb565.bmp", (5, 6, 5))):
        bmp(HERE / name, rgb, bits)
        expect(name, Image.open(HERE / name))

    # A frame that does not fill the screen lies on the first color of its palette, or on the transparent one.
    for name, transparent in (("offset.gif", None), ("offset-transparent.gif", 3)):
        screen = bytearray((HERE / "palette.gif").read_bytes())
        frame = io.BytesIO()
        small.quantize(20).save(frame, "GIF", **({} if transparent is None else dict(transparency=transparent)))
        encoded = bytearray(frame.getvalue())
        encoded[6:10] = struct.pack("<HH", 39, 23)  # the screen
        at = encoded.rindex(struct.pack("<BHHHH", 0x2C, 0, 0, 11, 9))
        encoded[at + 1 : at + 5] = struct.pack("<HH", 5, 7)  # left, top
        (HERE / name).write_bytes(encoded)
        expect(name, Image.open(HERE / name))

    # 16 bits: the upper 8 count. Pillow makes all gray above 255 white.
    fine = (np.arange(23 * 39).reshape(23, 39) * 73 % 65536).astype(np.uint16)
    Image.fromarray(fine).save(HERE / "16-bit-gray.tif")
    expect("16-bit-gray.tif", Image.fromarray((fine >> 8).astype(np.uint8)))

    # Read by no other program alike: refused.
    Image.fromarray(fine.astype(np.float32)).save(HERE / "fractional.tif")
    rgb.save(HERE / "big.tif", big_tiff=True)
    for name, encoder in (("photo.avif", "AVIF"), ("photo.jp2", "JPEG2000")):
        rgb.save(HERE / name, encoder)


def turned():
    """What EXIF data note of the side that is up, in each file format that holds them, and what Pillow makes of it."""
    rgb = smooth().crop((0, 0, 23, 15))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        formats = {"jpg": dict(quality=95, subsampling=0), "png": {}, "webp": dict(lossless=True), "tif": {}}
        for ending, options in formats.items():
            if ending == "jpg" or orientation in (3, 6):
                name = f"turned-{orientation}.{ending}"
                rgb.save(HERE / name, exif=exif, **options)
                expect(name, ImageOps.exif_transpose(Image.open(HERE / name)))

    # Photo editors note it in XMP, as an attribute or as an element. EXIF data go before it if they note one.
    for name, text, noted, options in (
        ("xmp-6.jpg", 'tiff:Orientation="6"', None, dict(quality=95, subsampling=0)),
        ("xmp-8.jpg", 'tiff:Orientation="6"', 8, dict(quality=95, subsampling=0)),
        ("xmp-3.webp", "<tiff:Orientation>3</tiff:Orientation>", None, dict(lossless=True)),
        ("xmp-6.png", "<tiff:Orientation>6</tiff:Orientation>", None, {}),
        ("xmp-3.png", 'tiff:Orientation="3"', None, {}),
    ):
        exif = Image.Exif()
        exif[0x010E if noted is None else 0x0112] = "a description" if noted is None else noted
        xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{text}</x:xmpmeta>"
        if name.endswith("png"):
            options = dict(pnginfo=PngImagePlugin.PngInfo())
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp, zip=name == "xmp-3.png")
        else:
            options = options | dict(xmp=xmp.encode())
        rgb.save(HERE / name, exif=exif, **options)
        expect(name, ImageOps.exif_transpose(Image.open(HERE / name)))


if __name__ == "__main__":
    decoded()
    others()
    turned()
    resized()
    cropped()
