/** Dates and times as Kafka's Values read and print them, and as casts print them. */
import { type ConnectValue, logical, type Schema } from '../../connector.ts'
import { dateFormat } from './date-format.ts'
import { millisOf } from './java.ts'

export const timeForm = dateFormat("HH:mm:ss.SSS'Z'", 0)
export const dateForm = dateFormat('yyyy-MM-dd', 0)
export const timestampForm = dateFormat("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", 0)
const msPerDay = 86_400_000

/** As Kafka prints them: a time of day, a date, or a timestamp, whichever it looks like. What is before 1970 is never a time of day, as it is in Kafka. */
export function dateToText(schema: Schema, value: ConnectValue): string {
  const ms = millisOf(schema, value)
  const isTime = schema.name === logical.time || (ms >= 0 && ms < msPerDay)
  return (isTime ? timeForm : ms % msPerDay === 0 ? dateForm : timestampForm).format(ms)
}
