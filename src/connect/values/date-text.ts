/** Dates and times as Kafka's Values and casts print them. */
import { type ConnectValue, logical, type Schema } from '../../connector.ts'
import { dateFormat } from './date-format.ts'
import { millisOf } from './java.ts'

const dateFormats = ["HH:mm:ss.SSS'Z'", 'yyyy-MM-dd', "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"].map(pattern => dateFormat(pattern, 0))
const msPerDay = 86_400_000

/** As Kafka prints them: a time of day, a date, or a timestamp, whichever it looks like. What is before 1970 is never a time of day, as it is in Kafka. */
export function dateToText(schema: Schema, value: ConnectValue): string {
  const ms = millisOf(schema, value)
  const isTime = schema.name === logical.time || (ms >= 0 && ms < msPerDay)
  return dateFormats[isTime ? 0 : ms % msPerDay === 0 ? 1 : 2]!.format(ms)
}
