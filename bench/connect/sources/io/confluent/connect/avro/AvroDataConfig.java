package io.confluent.connect.avro;

import java.util.Map;

/** In the place of Confluent's, which Maven Central does not have: Aiven's sinks name it for Avro and Parquet, which the bench does not write. */
public class AvroDataConfig {
  public AvroDataConfig(Map<?, ?> properties) {}
}
