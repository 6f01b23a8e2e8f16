import pytest

from telemetry import settings

PREFIX = "observability.opentelemetry"


def test_otlp_is_off_by_default() -> None:
    assert settings.collector({}) is None


@pytest.mark.parametrize(
    ("uri", "more", "protocol"),
    [
        ("http://collector:4317", {}, "grpc"),
        ("http://collector", {}, "grpc"),
        ("http://collector:4318", {}, "http/protobuf"),
        ("https://collector:4318/otlp/", {}, "http/protobuf"),
        ("http://collector:80", {f"{PREFIX}.protocol": "http/protobuf"}, "http/protobuf"),
        ("http://collector:4318", {f"{PREFIX}.protocol": "grpc"}, "grpc"),
    ],
)
def test_protocol(uri: str, more: dict[str, str], protocol: str) -> None:
    found = settings.collector({f"{PREFIX}.enabled": "True", f"{PREFIX}.collector.uri": uri, **more})
    assert found is not None
    assert found.protocol == protocol


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (f"{PREFIX}.collector.uri", "collector:4317"),
        (f"{PREFIX}.collector.uri", ""),
        (f"{PREFIX}.enabled", "yes"),
    ],
)
def test_a_bad_collector_names_its_setting(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        settings.collector({f"{PREFIX}.enabled": "true", name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (f"{PREFIX}.histogram.buckets", "5,x"),
        (f"{PREFIX}.histogram.buckets", "5,5"),
        (f"{PREFIX}.metrics.interval", "1:2"),
        (f"{PREFIX}.metrics.interval", "-3"),
        ("telemetry.metrics.naming", "prometheus"),
    ],
)
def test_bad_metric_settings_name_themselves(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        settings.metrics({name: value})


def test_metric_settings() -> None:
    found = settings.metrics({f"{PREFIX}.histogram.buckets": "1, 2.5", f"{PREFIX}.metrics.interval": "00:01:30"})
    assert found.buckets == (1, 2.5)
    assert found.interval == 90


@pytest.mark.parametrize(("text", "expected"), [("a:1", ("a", 1)), ("[::1]:9", ("::1", 9)), ("", None)])
def test_address(text: str, expected: tuple[str, int] | None) -> None:
    assert settings.address({"x": text}, "x") == expected


@pytest.mark.parametrize("text", ["a", "a:", ":1", "a:70000", "a:b"])
def test_a_bad_address_names_its_setting(text: str) -> None:
    with pytest.raises(ValueError, match="setting x is"):
        settings.address({"x": text}, "x")
