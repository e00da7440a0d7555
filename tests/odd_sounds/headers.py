"""Headers that tell what is not so: lengths of hours, rates and channels that cannot be, chunks in any order."""

import struct
from collections.abc import Iterator

from tests.odd_sounds.damage import NUM_SAMPLES
from tests.odd_sounds.making import RATE, Expected, OddSound, chunk, encode, overwrite, pcm, sound, wav, wav_format

_IMPOSSIBLE = {("channels", 0), ("rate", 0), ("rate", 1), ("rate", 5)}


def odd_wav_formats() -> Iterator[OddSound]:
    """Give WAV files of 16-bit samples whose format chunk has one number that is odd."""
    numbers = {
        "tag": (0, 2, 6, 7, 17, 49, 85, 0xFFFE, 0xFFFF),
        "channels": (0, 3, 17, 1_025, 0xFFFF),
        "rate": (0, 1, 5, 655_351, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF),
        "bits": (0, 1, 7, 8, 12, 17, 24, 32, 33, 64, 255, 0xFFFF),
        "block": (0, 1, 3, 7, 0xFFFF),
    }
    for field, values in numbers.items():
        for value in values:
            data = wav(wav_format(**{field: value}), chunk(b"data", pcm()))
            expected: Expected = "refused" if (field, value) in _IMPOSSIBLE else "either"
            yield OddSound("headers", f"wav-{field}-{value}.wav", data, expected)


def odd_wav_chunks() -> Iterator[OddSound]:
    """Give WAV files whose chunks are missing, doubled, in another order, or tell sizes that are wrong."""
    form, data = wav_format(), chunk(b"data", pcm())
    samples = pcm()
    files: dict[str, tuple[bytes, Expected]] = {
        "no-chunks": (wav(), "refused"),
        "no-format": (wav(data), "refused"),
        "no-data": (wav(form), "refused"),
        "empty-data": (wav(form, chunk(b"data", b"")), "refused"),
        "data-before-format": (wav(data, form), "either"),
        "two-formats": (wav(form, wav_format(channels=2, rate=8_000), data), "either"),
        "two-data": (wav(form, data, data), "either"),
        "format-of-4-bytes": (wav(chunk(b"fmt ", b"\1\0\1\0"), data), "refused"),
        "format-with-more": (wav(wav_format(extra=bytes(100)), data), "either"),
        "format-that-never-ends": (wav(chunk(b"fmt ", form[8:], size=0xFFFF_FFFF), data), "either"),
        "riff-size-0": (wav(form, data, size=0), "answer"),
        "riff-size-too-small": (wav(form, data, size=40), "answer"),
        "riff-size-too-large": (wav(form, data, size=0x7000_0000), "answer"),
        "riff-size-unknown": (wav(form, data, size=0xFFFF_FFFF), "answer"),
        "data-size-0-of-a-pipe": (wav(form, chunk(b"data", samples, size=0)), "either"),
        "data-size-of-a-pipe": (wav(form, chunk(b"data", samples, size=0xFFFF_FFFF)), "answer"),
        "data-of-4-hours": (wav(form, chunk(b"data", samples, size=4 * 3_600 * RATE * 2)), "refused"),
        "data-of-18-hours": (wav(form, chunk(b"data", samples, size=0x7FFF_EFFF)), "refused"),
        "data-1-byte-too-long": (wav(form, chunk(b"data", samples, size=len(samples) + 1)), "refused"),
        "data-of-odd-size": (wav(form, chunk(b"data", samples[:-1])), "answer"),
        "list-that-never-ends": (wav(form, chunk(b"LIST", b"INFO", size=0xFFFF_FFF0), data), "either"),
        "broken-list": (wav(form, chunk(b"LIST", b"INFOIART\xff\xff\xff\xff"), data), "either"),
        "10000-empty-chunks": (wav(form, chunk(b"junk", b"") * 10_000, data), "either"),
        "a-megabyte-of-junk": (wav(form, chunk(b"junk", bytes(2**20)), data), "answer"),
        "chunk-without-a-name": (wav(form, chunk(b"\0\0\0\0", b"abcd"), data), "either"),
        "cue-that-overflows": (wav(form, chunk(b"cue ", b"\xff" * 28), data), "either"),
        "smpl-that-overflows": (wav(form, chunk(b"smpl", b"\xff" * 60), data), "either"),
        "bext-that-overflows": (wav(form, chunk(b"bext", b"\xff" * 700), data), "either"),
        "fact-that-lies": (wav(form, chunk(b"fact", b"\xff\xff\xff\xff"), data), "either"),
        "peak-that-lies": (wav(form, chunk(b"PEAK", b"\xff" * 16), data), "either"),
        "big-endian": (overwrite(wav(form, data), 0, b"RIFX"), "either"),
        "adpcm-of-no-samples": (wav(wav_format(tag=17, bits=4, block=0, extra=b"\2\0\0\0"), data), "either"),
        "adpcm-of-many-samples": (wav(wav_format(tag=17, bits=4, block=4, extra=b"\2\0\xff\xff"), data), "either"),
        "ms-adpcm-of-many-coefficients": (
            wav(wav_format(tag=2, bits=4, block=256, extra=b"\x20\0\xf4\1\xff\xff"), data),
            "either",
        ),
        "mp3-inside": (wav(wav_format(tag=85, bits=0, block=1, extra=bytes(14)), data), "either"),
    }
    for name, (content, expected) in files.items():
        yield OddSound("headers", f"wav-{name}.wav", content, expected)


def odd_other_headers() -> Iterator[OddSound]:
    """Give FLAC, Ogg, MP3, AIFF, AU, CAF, W64 and RF64 files whose headers lie, most of them about the length."""
    files: dict[str, tuple[bytes, Expected]] = {
        **_flac_files(),
        **_ogg_files(),
        **_mp3_files(),
        **_aiff_files(),
        **_rarer_files(),
    }
    for name, (content, expected) in files.items():
        yield OddSound("headers", name, content, expected)


def _flac_files() -> dict[str, tuple[bytes, Expected]]:
    """STREAMINFO packs rate (20 bits), channels - 1 (3), bits - 1 (5) and samples (36) into bytes 18 to 25."""
    whole = encode(sound(NUM_SAMPLES), format="FLAC")
    packed = int.from_bytes(whole[18:26], "big")

    def with_samples(count: int) -> bytes:
        return overwrite(whole, 18, ((packed >> 36 << 36) | count).to_bytes(8, "big"))

    def with_rate(rate: int) -> bytes:
        return overwrite(whole, 18, ((packed & (1 << 44) - 1) | rate << 44).to_bytes(8, "big"))

    image = struct.pack(">II10s5I", 3, 10, b"image/jpeg", 0, 500, 500, 24, 0) + struct.pack(">I", 2**20) + bytes(2**20)
    picture = b"\x06" + len(image).to_bytes(3, "big") + image
    return {
        "flac-of-10-hours.flac": (with_samples(10 * 3_600 * RATE), "refused"),
        "flac-of-50-days.flac": (with_samples(2**36 - 1), "refused"),
        "flac-of-one-sample-more.flac": (with_samples(NUM_SAMPLES + 1), "refused"),
        "flac-of-fewer-samples.flac": (with_samples(NUM_SAMPLES // 2), "either"),
        "flac-of-unknown-length.flac": (with_samples(0), "answer"),
        "flac-of-rate-0.flac": (with_rate(0), "either"),
        "flac-of-rate-1048575.flac": (with_rate(2**20 - 1), "either"),
        "flac-of-another-checksum.flac": (overwrite(whole, 26, b"\xff" * 16), "either"),
        "flac-of-small-blocks-told.flac": (overwrite(whole, 8, b"\0\x10\0\x10"), "either"),
        "flac-of-endless-metadata.flac": (overwrite(whole, 5, b"\xff\xff\xff"), "refused"),
        "flac-with-a-picture.flac": (whole[:42] + picture + whole[42:], "answer"),
        "flac-of-streaminfo-twice.flac": (whole[:42] + whole[4:42] + whole[42:], "either"),
        "flac-behind-tags.flac": (b"ID3\x04\0\0\0\0\x02\0" + bytes(256) + whole, "either"),
        "flac-of-tags-that-overflow.flac": (
            whole[:42] + b"\x04\0\0\x08" + b"\xff" * 8 + whole[42:],
            "either",
        ),
    }


def _ogg_files() -> dict[str, tuple[bytes, Expected]]:
    """An Ogg page has flags at 5, the position in samples at 6, the stream at 14, a checksum at 22, segments at 26."""
    whole = encode(sound(NUM_SAMPLES), format="OGG", subtype="VORBIS")
    second = encode(sound(RATE // 2, seed=1), format="OGG", subtype="VORBIS")
    opus = encode(sound(NUM_SAMPLES), format="OGG", subtype="OPUS")
    last = whole.rfind(b"OggS")
    return {
        "ogg-of-50-days.ogg": (_resigned(overwrite(whole, last + 6, (2**36).to_bytes(8, "little")), last), "either"),
        "ogg-of-the-longest.ogg": (
            _resigned(overwrite(whole, last + 6, (2**63 - 1).to_bytes(8, "little")), last),
            "either",
        ),
        "ogg-of-negative-length.ogg": (_resigned(overwrite(whole, last + 6, b"\xff" * 8), last), "either"),
        "ogg-of-wrong-checksum.ogg": (overwrite(whole, last + 22, b"abcd"), "either"),
        "ogg-of-another-stream.ogg": (_resigned(overwrite(whole, last + 14, b"abcd"), last), "either"),
        "ogg-of-no-segments.ogg": (overwrite(whole, last + 26, b"\0"), "either"),
        "ogg-of-two-streams.ogg": (whole + second, "either"),
        "ogg-of-vorbis-then-opus.ogg": (whole + opus, "either"),
        "ogg-of-rate-0.ogg": (_resigned(overwrite(whole, 28 + 12, bytes(4)), 0), "refused"),
        "ogg-of-rate-4294967295.ogg": (_resigned(overwrite(whole, 28 + 12, b"\xff" * 4), 0), "either"),
        "ogg-of-no-channels.ogg": (_resigned(overwrite(whole, 28 + 11, b"\0"), 0), "refused"),
        "ogg-of-255-channels.ogg": (_resigned(overwrite(whole, 28 + 11, b"\xff"), 0), "either"),
        "opus-of-no-channels.opus": (_resigned(overwrite(opus, 28 + 9, b"\0"), 0), "refused"),
        "opus-of-255-channels.opus": (_resigned(overwrite(opus, 28 + 9, b"\xff"), 0), "either"),
        "opus-that-skips-all.opus": (_resigned(overwrite(opus, 28 + 10, b"\xff\xff"), 0), "either"),
        "opus-of-gain.opus": (_resigned(overwrite(opus, 28 + 16, b"\xff\x7f"), 0), "either"),
    }


def _resigned(data: bytes, page: int) -> bytes:
    """Give the page at a place the checksum that its bytes now call for, so that the lie is read."""
    segments = data[page + 26]
    end = page + 27 + segments + sum(data[page + 27 : page + 27 + segments])
    content = overwrite(data, page + 22, bytes(4))[page:end]
    checksum = 0
    for byte in content:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C1_1DB7 if checksum & 0x8000_0000 else 0)) & 0xFFFF_FFFF
    return overwrite(data, page + 22, checksum.to_bytes(4, "little"))


def _mp3_files() -> dict[str, tuple[bytes, Expected]]:
    """The first frame of an MP3 file counts the others, behind Info or Xing and four bytes of flags."""
    whole = encode(sound(NUM_SAMPLES), format="MP3")
    name = max(whole.find(b"Info"), whole.find(b"Xing"))

    def with_frames(count: int) -> bytes:
        return overwrite(whole, name + 8, count.to_bytes(4, "big"))

    def tagged(size: int, content: bytes) -> bytes:
        sizes = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
        return b"ID3\x04\0\0" + sizes + content

    return {
        "mp3-of-10-hours.mp3": (with_frames(10 * 3_600 * RATE // 576), "refused"),
        "mp3-of-2147483647-frames.mp3": (with_frames(2**31 - 1), "refused"),
        "mp3-of-4294967295-frames.mp3": (with_frames(2**32 - 1), "refused"),
        "mp3-of-no-frames.mp3": (with_frames(0), "either"),
        "mp3-of-fewer-frames.mp3": (with_frames(2), "either"),
        "mp3-without-a-count.mp3": (overwrite(whole, name, b"\0\0\0\0"), "either"),
        "mp3-behind-tags.mp3": (tagged(2**20, bytes(2**20)) + whole, "answer"),
        "mp3-behind-tags-that-lie.mp3": (tagged(2**28 - 1, bytes(100)) + whole, "either"),
        "mp3-of-tags-alone.mp3": (tagged(1_000, bytes(1_000)), "refused"),
        "mp3-before-tags.mp3": (whole + b"TAG" + bytes(125), "answer"),
        "mp3-behind-zeros.mp3": (bytes(10_000) + whole, "either"),
        "mp3-of-another-rate-inside.mp3": (whole + encode(sound(44_100), 44_100, format="MP3"), "either"),
    }


def _aiff_files() -> dict[str, tuple[bytes, Expected]]:
    """COMM has channels at 8, samples at 10, bits at 14 and the rate as an 80-bit float at 16."""
    whole = encode(sound(NUM_SAMPLES), format="AIFF")
    comm = whole.find(b"COMM")
    ssnd = whole.find(b"SSND")
    rates = {"0": bytes(10), "infinite": b"\x7f\xff" + bytes(8), "negative": b"\xc0\x0c\xfa" + bytes(7)}
    rates |= {"nan": b"\xff" * 10, "huge": b"\x7f\xfe" + b"\xff" * 8}
    return {
        "aiff-of-a-day.aiff": (overwrite(whole, comm + 10, b"\x7f\xff\xff\xff"), "either"),
        "aiff-whose-data-is-a-day.aiff": (overwrite(whole, ssnd + 4, b"\x7f\x00\x00\x00"), "refused"),
        "aiff-of-no-channels.aiff": (overwrite(whole, comm + 8, b"\0\0"), "refused"),
        "aiff-of-65535-channels.aiff": (overwrite(whole, comm + 8, b"\xff\xff"), "either"),
        "aiff-of-0-bits.aiff": (overwrite(whole, comm + 14, b"\0\0"), "either"),
        "aiff-whose-data-is-far.aiff": (overwrite(whole, ssnd + 8, b"\x7f\xff\xff\xff"), "either"),
    } | {f"aiff-of-rate-{name}.aiff": (overwrite(whole, comm + 16, rate), "either") for name, rate in rates.items()}


def _rarer_files() -> dict[str, tuple[bytes, Expected]]:
    au, caf, w64, rf64 = (encode(sound(NUM_SAMPLES), format=name) for name in ("AU", "CAF", "W64", "RF64"))
    voc, mat5 = (encode(sound(NUM_SAMPLES), format=name, subtype="PCM_16") for name in ("VOC", "MAT5"))
    desc, data = caf.find(b"desc"), caf.find(b"data")
    ds64, w64_data = rf64.find(b"ds64"), w64.rfind(b"data")
    return {
        "au-of-hours.au": (overwrite(au, 8, b"\x7f\x00\x00\x00"), "refused"),
        "au-of-unknown-length.au": (overwrite(au, 8, b"\xff\xff\xff\xff"), "answer"),
        "au-whose-data-is-far.au": (overwrite(au, 4, b"\x7f\xff\xff\xff"), "refused"),
        "au-of-no-channels.au": (overwrite(au, 20, bytes(4)), "refused"),
        "au-of-rate-0.au": (overwrite(au, 16, bytes(4)), "refused"),
        "caf-of-hours.caf": (overwrite(caf, data + 4, (2**31).to_bytes(8, "big")), "refused"),
        "caf-of-endless-data.caf": (overwrite(caf, data + 4, b"\x7f" + b"\xff" * 7), "refused"),
        "caf-of-unknown-length.caf": (overwrite(caf, data + 4, b"\xff" * 8), "either"),
        "caf-of-rate-nan.caf": (overwrite(caf, desc + 12, struct.pack(">d", float("nan"))), "either"),
        "caf-of-rate-1e300.caf": (overwrite(caf, desc + 12, struct.pack(">d", 1e300)), "either"),
        "caf-of-negative-rate.caf": (overwrite(caf, desc + 12, struct.pack(">d", -16_000.0)), "either"),
        "w64-of-hours.w64": (overwrite(w64, w64_data + 16, (2**31).to_bytes(8, "little")), "refused"),
        "w64-of-endless-data.w64": (overwrite(w64, w64_data + 16, b"\xff" * 7 + b"\x7f"), "either"),
        "w64-of-negative-data.w64": (overwrite(w64, w64_data + 16, b"\xff" * 8), "either"),
        "rf64-of-hours.rf64": (overwrite(rf64, ds64 + 16, (2**31).to_bytes(8, "little")), "refused"),
        "rf64-of-endless-data.rf64": (overwrite(rf64, ds64 + 16, b"\xff" * 7 + b"\x7f"), "refused"),
        "rf64-without-sizes.rf64": (overwrite(rf64, ds64, b"junk"), "either"),
        "voc-of-endless-block.voc": (overwrite(voc, 27, b"\xff\xff\xff"), "either"),
        "mat5-of-many-rows.mat5": (overwrite(mat5, len(mat5) - 2 * NUM_SAMPLES - 8, b"\xff" * 8), "either"),
    }
