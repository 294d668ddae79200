package org.apache.kafka.common.utils;

/** The file connectors of 4.3.1, the newest at Maven Central, look for it here; kafka-clients 4.4.0 has it in another package. */
public final class AppInfoParser {
  public static String getVersion() { return org.apache.kafka.common.utils.internals.AppInfoParser.getVersion(); }
}
