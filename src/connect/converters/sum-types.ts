/** With the key generalized.sum.type.support, unions and enums have these parameters in all of Confluent's formats. */
export const generalUnion = 'org.apache.kafka.connect.data.Union'
export const generalEnum = 'org.apache.kafka.connect.data.Enum'
