package io.confluent.kafka.serializers;

/** In the place of Confluent's, as AvroDataConfig is: there are no instances. */
public abstract class NonRecordContainer {
  public abstract Object getValue();
}
