/**
 * rest: Kafka over HTTP with the API of Confluent's REST proxy, v2 and v3, and with what v3 lacks: reading.
 *
 * Hides how records travel as JSON without the loss of a digit, that many records of a request are few requests to Kafka, the consumer instances of
 * v2, and back-pressure in both directions. Every request acts as the one who asks.
 */
export { openRest } from './rest/open.ts'
