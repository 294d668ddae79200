/**
 * The event that a function is called with, as JSON: in the form of the cloud that the function was written for.
 *
 * An event is built record by record, so that a batch can be ended before it becomes too large. Offsets keep all their digits.
 */
import { isUtf8 } from 'node:buffer'
import { parseLossless, stringifyLossless } from '../base.ts'
import type { ReceivedRecord } from '../client.ts'
import type { Definition } from './definition.ts'

export interface EnvelopeOptions {
  readonly bootstrap: string
  readonly clusterId: string
  readonly extended: boolean
}

export interface Envelope {
  /** Of one record, as JSON. */
  item(record: ReceivedRecord): string
  /** All records are of one partition. */
  event(items: readonly string[], topic: string, partition: number): string
  /** Bytes around the items. */
  readonly overhead: number
  /** Of an HTTP request with such an event. */
  readonly contentType: string
}

const envelopes: Readonly<Record<Definition['envelope'], (options: EnvelopeOptions) => Envelope>> = { scf, aws, cloudevents, alibaba }

export function envelopeOf({ envelope }: Pick<Definition, 'envelope'>, options: EnvelopeOptions): Envelope {
  return envelopes[envelope](options)
}

/** Most texts need no escapes, and each record has some: so no object is made that JSON.stringify would have to walk. */
const textIn = JSON.stringify as (text: string) => string
const json = 'application/json'
/** As Python prints what is not there; so does SCF. */
const none = 'None'

/** Tencent's SCF: texts only. */
function scf({ extended }: EnvelopeOptions): Envelope {
  return {
    item({ topic, partition, offset, key, value, headers, timestampMs }) {
      const [msgKey, msgBody] = [textIn(key?.toString() ?? none), textIn(value?.toString() ?? none)]
      const message = `{"Ckafka":{"topic":${textIn(topic)},"partition":${partition},"offset":${offset},"msgKey":${msgKey},"msgBody":${msgBody}`
      if (!extended) return `${message}}}`
      const shown = headers.map(header => ({ key: header.key.toString(), value: header.value?.toString('base64') ?? null }))
      const bytes = (content: Buffer | null) => (content === null ? 'null' : `"${content.toString('base64')}"`)
      const more = `"timestamp":${timestampMs},"headers":${JSON.stringify(shown)},"msgKeyBase64":${bytes(key)},"msgBodyBase64":${bytes(value)}`
      return `${message},${more}}}`
    },
    event: items => `{"Records":[${items.join(',')}]}`,
    overhead: 14,
    contentType: json,
  }
}

/** AWS Lambda with a self-managed Kafka. The bytes of headers are signed, as Java has them. */
function aws({ bootstrap }: EnvelopeOptions): Envelope {
  const head = `{"eventSource":"SelfManagedKafka","bootstrapServers":${JSON.stringify(bootstrap)},"records":{`
  return {
    item({ topic, partition, offset, timestampMs, key, value, headers, isAppendTime = false }) {
      const type = isAppendTime ? 'LOG_APPEND_TIME' : 'CREATE_TIME'
      const place = `"topic":${textIn(topic)},"partition":${partition},"offset":${offset},"timestamp":${timestampMs},"timestampType":"${type}"`
      const content = `${key === null ? '' : `,"key":"${key.toString('base64')}"`},"value":${value === null ? 'null' : `"${value.toString('base64')}"`}`
      const shown = headers.map(header => `{${textIn(header.key.toString())}:[${new Int8Array(header.value ?? []).join()}]}`)
      return `{${place}${content},"headers":[${shown.join()}]}`
    },
    event: (items, topic, partition) => `${head}${JSON.stringify(`${topic}-${partition}`)}:[${items.join(',')}]}}`,
    overhead: head.length + 270,
    contentType: json,
  }
}

/** CloudEvents 1.0, a batch of structured events. */
function cloudevents({ clusterId }: EnvelopeOptions): Envelope {
  return {
    item: ({ topic, partition, offset, timestampMs, key, value }) =>
      stringifyLossless({
        specversion: '1.0',
        id: `${topic}-${partition}-${offset}`,
        source: `/kafka/${clusterId}/topics/${topic}`,
        type: 'org.apache.kafka.record',
        subject: `partition:${partition}#${offset}`,
        ...(timestampMs < 0n ? {} : { time: isoTime(timestampMs) }),
        ...(key === null ? {} : isUtf8(key) ? { partitionkey: key.toString() } : { partitionkey: key.toString('base64') }),
        ...contentOf(value),
      }),
    event: list,
    overhead: 2,
    contentType: 'application/cloudevents-batch+json',
  }
}

function contentOf(value: Buffer | null): object {
  if (value === null) return {}
  if (!isUtf8(value)) return { datacontenttype: 'application/octet-stream', data_base64: value.toString('base64') }
  const text = value.toString()
  try {
    return { datacontenttype: json, data: parseLossless(text) }
  } catch {
    return { datacontenttype: 'text/plain', data: text }
  }
}

/** Alibaba's Function Compute, whose events come through EventBridge. */
function alibaba({ clusterId }: EnvelopeOptions): Envelope {
  return {
    item: ({ topic, partition, offset, timestampMs, key, value, headers }) =>
      stringifyLossless({
        specversion: '1.0',
        id: `${topic}-${partition}-${offset}`,
        source: 'acs:alikafka',
        type: 'alikafka:Topic:Message',
        subject: `acs:alikafka:${clusterId}:topic:${topic}`,
        datacontenttype: 'application/json; charset=utf-8',
        time: isoTime(timestampMs),
        aliyunaccountid: '',
        data: {
          ...{ topic, partition, offset, timestamp: timestampMs },
          headers: {
            headers: headers.map(each => ({ key: each.key.toString(), value: [...new Int8Array(each.value ?? [])] })),
            isReadOnly: false,
          },
          ...(key === null ? {} : { key: key.toString() }),
          ...(value === null ? {} : { value: value.toString() }),
        },
      }),
    event: list,
    overhead: 2,
    contentType: json,
  }
}

function list(items: readonly string[]): string {
  return `[${items.join(',')}]`
}

/** The largest time that a Date can hold. */
const mostMs = 8.64e15

function isoTime(ms: bigint): string {
  return new Date(Math.max(0, Math.min(Number(ms), mostMs))).toISOString()
}
