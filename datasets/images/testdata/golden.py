#!/usr/bin/env python3
"""Writes the fixtures and golden values of datasets/images: pictures in every colour mode, and the
digests of torchvision's evaluation transform on them, computed by PIL and numpy.

    python3 golden.py        # in this folder; needs PIL (made with Pillow 9.4, libjpeg-turbo 2.1.5)

The transform is written out from torchvision's documentation so that PyTorch is not needed:
Resize(ceil(r/0.875), bilinear), CenterCrop(r), ToTensor, Normalize.
"""
import hashlib, json, math, random, struct, sys
import numpy as np
import PIL
from PIL import Image

MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
STD = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)


def formula(w, h):
    """A picture both languages can draw: 32-bit unsigned arithmetic on the coordinates."""
    x = np.arange(w, dtype=np.uint32).reshape(1, w, 1)
    y = np.arange(h, dtype=np.uint32).reshape(h, 1, 1)
    c = np.arange(3, dtype=np.uint32).reshape(1, 1, 3)
    v = x * np.uint32(2654435761) + y * np.uint32(2246822519) + (c + np.uint32(1)) * np.uint32(3266489917)
    v = (v ^ (v >> np.uint32(15))) * np.uint32(668265263)
    noise = (v >> np.uint32(24)) & np.uint32(63)
    smooth = (x * (c + np.uint32(3)) + y * (np.uint32(7) - c)) & np.uint32(255)
    edge = np.where(((x >> np.uint32(4)) + (y >> np.uint32(3))) & np.uint32(1) > 0, np.uint32(96), np.uint32(0))
    return Image.fromarray(((smooth + edge + noise) & np.uint32(255)).astype(np.uint8), "RGB")


def photo(w, h, seed):
    """A smooth picture with some edges and noise, for the JPEG cases."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    out = np.zeros((h, w, 3))
    for c in range(3):
        for _ in range(5):
            out[..., c] += rng.uniform(10, 40) * np.sin(x * rng.uniform(0, .3) + y * rng.uniform(0, .3) + rng.uniform(0, 6))
    for _ in range(6):
        cx, cy, r = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(4, w / 4)
        out[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = rng.uniform(-120, 120, 3)
    return Image.fromarray(np.clip(out + 128 + rng.normal(0, 4, out.shape), 0, 255).astype(np.uint8), "RGB")


def crop(im, r, resize):
    """Resize and CenterCrop of torchvision on a PIL picture."""
    im = im.convert("RGB")
    w, h = im.size
    if w <= h:
        size = (resize, int(resize * h / w))
    else:
        size = (int(resize * w / h), resize)
    im = im.resize(size, Image.BILINEAR)
    left, top = int(round((size[0] - r) / 2.0)), int(round((size[1] - r) / 2.0))
    return im.crop((left, top, left + r, top + r))


def tensor(im):
    x = np.asarray(im, np.uint8).transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    return ((x - MEAN) / STD).astype("<f4")


def digest(b):
    return hashlib.sha256(b).hexdigest()


def case(im, r, resize=0):
    c = crop(im, r, resize or math.ceil(r / 0.875))
    return {"resolution": r, "resize": resize, "rgb": digest(c.tobytes()), "tensor": digest(tensor(c).tobytes())}


def main():
    out = {"pillow": PIL.__version__, "formula": [], "files": [], "jpeg": []}
    rnd = random.Random(20)
    sizes = [(1, 1), (1, 90), (90, 1), (2, 3), (3, 700), (700, 3), (256, 256), (224, 224), (28, 28), (37, 256), (293, 293)]
    sizes += [(rnd.randint(5, 640), rnd.randint(5, 640)) for _ in range(49)]
    for i, (w, h) in enumerate(sizes):
        r = [224, 160, 128, 192, 16, 33, 100][i % 7]
        resize = r if i % 5 == 4 else (r + 1 + i if i % 11 == 7 else 0)
        out["formula"].append({"width": w, "height": h, **case(formula(w, h), r, resize)})

    im = photo(61, 47, 1)
    alpha = formula(61, 47).getchannel(0)
    rgba = im.copy(); rgba.putalpha(alpha)
    la = im.convert("L"); la.putalpha(alpha)
    pal = im.quantize(23)
    files = {"rgb.png": (im, {}), "rgb.bmp": (im, {}), "rgba.png": (rgba, {}), "gray.png": (im.convert("L"), {}), "gray_alpha.png": (la, {}),
             "bilevel.png": (im.convert("1"), {}), "palette.png": (pal, {}), "palette_alpha.png": (pal, {"transparency": bytes([0, 128, 255])}),
             "rgb_key.png": (im, {"transparency": im.getpixel((3, 4))})}
    for name, (pic, opts) in files.items():
        pic.save(name, **opts)
        out["files"].append({"file": name, **case(Image.open(name), 40)})
    rgb16("rgb16.png", 61, 47)
    out["files"].append({"file": "rgb16.png", **case(Image.open("rgb16.png"), 40)})

    im = photo(93, 75, 2)
    for name, pic, opts in [("444.jpg", im, {"subsampling": 0}), ("422.jpg", im, {"subsampling": 1}), ("420.jpg", im, {"subsampling": 2}),
                            ("420p.jpg", im, {"subsampling": 2, "progressive": True}), ("gray.jpg", im.convert("L"), {}),
                            ("cmyk.jpg", im.convert("CMYK"), {})]:
        pic.save(name, quality=85, **opts)
        decoded = Image.open(name).convert("RGB")
        decoded.save(name + ".png", optimize=True)
        out["jpeg"].append({"file": name, "decoded": name + ".png", **case(decoded, 40)})

    with open("golden.json", "w") as f:
        f.write(json.dumps(out, indent=1) + "\n")


def rgb16(name, w, h):
    """A 16-bit RGB PNG, which PIL cannot write."""
    import zlib
    rng = np.random.RandomState(5)
    a = rng.randint(0, 65536, (h, w, 3)).astype(">u2")
    raw = b"".join(b"\0" + a[y].tobytes() for y in range(h))

    def chunk(tag, data):
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))
    with open(name, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 16, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


if __name__ == "__main__":
    sys.exit(main())
