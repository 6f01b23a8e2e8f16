"""Request records and metrics to OTLP protobuf bytes, one file per signal; the SDK's encoders check them in tests."""
