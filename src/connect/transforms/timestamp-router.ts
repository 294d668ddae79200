/** TimestampRouter: another topic by the time of the record. */
import { string } from '../../base.ts'
import { DataError } from '../../connector.ts'
import { dateFormat } from '../values/date-format.ts'
import { defineTransform } from './transform.ts'

export const timestampRouter = defineTransform({
  name: 'TimestampRouter',
  sides: false,
  summary: 'changes the topic by the time of the record',
  keys: {
    'topic.format': string({
      default: `\${topic}-\${timestamp}`,
      importance: 'high',
      doc: `The new topic, where \${topic} and \${timestamp} stand for the topic and the time.`,
    }),
    'timestamp.format': string({
      default: 'yyyyMMdd',
      importance: 'high',
      doc: "The time, as a pattern of Java's SimpleDateFormat, in UTC.",
    }),
  },
  open({ 'topic.format': format, 'timestamp.format': pattern }, { system, refuse }) {
    const open = () => {
      try {
        return dateFormat(pattern, system.clock.now())
      } catch (error) {
        throw error instanceof SyntaxError ? refuse('timestamp.format', pattern, error.message) : error
      }
    }
    const time = open()
    return {
      apply(record) {
        if (record.timestampMs === null) throw new DataError(`Timestamp missing on record of topic ${record.topic}`)
        const shown = time.format(Number(record.timestampMs))
        return { ...record, topic: format.replaceAll(`\${topic}`, () => record.topic).replaceAll(`\${timestamp}`, () => shown) }
      },
    }
  },
})
