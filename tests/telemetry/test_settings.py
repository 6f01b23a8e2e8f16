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
        (f"{PREFIX}.histogram.buckets", "nan"),
        (f"{PREFIX}.histogram.buckets", "5,inf"),
        (f"{PREFIX}.metrics.interval", "inf"),
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


def test_opentelemetrys_own_variables_stand_in() -> None:
    standard = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://c:4318/base/",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_HEADERS": "Api-Key=a%3Db , x=1",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
    }
    assert settings.collector(standard) is None, "they turn nothing on"
    found = settings.collector({**standard, f"{PREFIX}.enabled": "true"})
    assert found
    assert (found.uri, found.protocol, found.compression, found.timeout) == (
        "https://c:4318/base",
        "http/protobuf",
        "none",
        2.5,
    )
    assert found.headers == (("api-key", "a=b"), ("x", "1"))
    ours = {f"{PREFIX}.enabled": "true", f"{PREFIX}.collector.uri": "http://own:1", f"{PREFIX}.protocol": "grpc"}
    found = settings.collector({**standard, **ours, f"{PREFIX}.collector.timeout": "00:00:07"})
    assert found
    assert (found.uri, found.protocol, found.timeout) == ("http://own:1", "grpc", 7.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("collector.compression", "snappy"),
        ("collector.timeout", "soon"),
        ("collector.headers", "=x"),
        ("collector.headers", "a=b%0Ac"),
        ("collector.headers", "trace-bin=1"),
        ("collector.headers.file", "/nowhere/at/all"),
        ("collector.tls.ca", "/nowhere/at/all"),
        ("collector.tls.key", __file__),
        ("collector.headers", "Authorization: Bearer b%0Ac"),
        ("collector.timeout", "nan"),
        ("collector.uri", "http://user:b%0Ac@c:4317"),
        ("collector.uri", "user:b%0Ac@c:4317"),
        ("collector.uri", "http://user:b%0Ac/x@c:4317"),
        ("collector.uri", "https://c:99999"),
    ],
)
def test_bad_collector_settings_name_themselves(name: str, value: str) -> None:
    given = {f"{PREFIX}.enabled": "true", f"{PREFIX}.collector.uri": "http://c:1", f"{PREFIX}.{name}": value}
    with pytest.raises(ValueError, match=name) as found:
        settings.collector(given)
    assert "b%0Ac" not in str(found.value)


def test_the_spool() -> None:
    found = settings.spool({})
    assert (str(found.path), found.limit, found.age) == ("/apim/telemetry", 256 * 1024 * 1024, 172_800)
    found = settings.spool(
        {
            "telemetry.spool.path": "none",
            "telemetry.spool.megabytes": "8",
            "telemetry.spool.age": "01:00:00",
            "proxy.workers": "4",
        }
    )
    assert (found.path, found.limit, found.age) == (None, 2 * 1024 * 1024, 3600)
    for name, value in (("path", "relative"), ("megabytes", "0"), ("megabytes", "many"), ("age", "old")):
        with pytest.raises(ValueError, match=f"telemetry.spool.{name}"):
            settings.spool({f"telemetry.spool.{name}": value})
