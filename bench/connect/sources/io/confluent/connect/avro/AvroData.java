package io.confluent.connect.avro;

import org.apache.kafka.connect.data.SchemaAndValue;

/** In the place of Confluent's, as AvroDataConfig is. */
public class AvroData {
  public AvroData(int cacheSize) {}

  public AvroData(AvroDataConfig config) {}

  public org.apache.avro.Schema fromConnectSchema(org.apache.kafka.connect.data.Schema schema) {
    throw absent();
  }

  public Object fromConnectData(org.apache.kafka.connect.data.Schema schema, Object value) {
    throw absent();
  }

  public SchemaAndValue toConnectData(org.apache.avro.Schema schema, Object value) {
    throw absent();
  }

  private static UnsupportedOperationException absent() {
    return new UnsupportedOperationException("Avro and Parquet are not there");
  }
}
