/** The keys of the MQTT source: those of Confluent's connector, where it has the same. */
import { boolean, int, intBytes, intMs, list, password, string, type ValuesOf } from '../../connector.ts'
import { firstProblem } from '../entries.ts'
import { tlsKeys } from '../http-client/settings.ts'

export const keys = {
  'mqtt.server.uri': list({
    required: true,
    importance: 'high',
    check: text => firstProblem(text, uriProblem),
    doc: 'The brokers, one of which is connected to: `tcp://host:1883`, with TLS `ssl://host:8883`.',
  }),
  'mqtt.topics': list({
    required: true,
    importance: 'high',
    check: text => firstProblem(text, filterProblem),
    doc: 'What is subscribed to: `plant/+/temperature`, `alarms/#`, `$share/group/orders`.',
  }),
  'kafka.topic': string({
    default: 'mqtt',
    importance: 'high',
    check: text => (text === '' ? 'must not be empty' : null),
    doc: 'The topic of the records.',
  }),
  'mqtt.qos': int({
    default: 1,
    min: 0,
    max: 2,
    importance: 'high',
    doc: 'Quality of service of the subscriptions. 0: messages may be lost. 1 and 2: a message is acknowledged once Kafka has it.',
  }),
  'mqtt.clean.session.enabled': boolean({
    default: false,
    doc: 'Whether the broker forgets the subscriptions, and what it has for them, when the connection ends. Messages that come until the next one are then lost.',
  }),
  'mqtt.client.id': string({
    default: '',
    doc: 'Names the session at the broker. Default: `millrace-` and the name of the connector. Two clients with the same name push each other out.',
  }),
  'mqtt.username': string({ default: '', doc: 'User name.' }),
  'mqtt.password': password({ doc: 'Password.' }),
  'mqtt.connect.timeout.seconds': int({ default: 30, min: 1, max: 3_600, doc: 'How long connecting may take.' }),
  'mqtt.keepalive.interval.seconds': int({
    default: 60,
    min: 1,
    max: 65_535,
    doc: 'How often the connector makes sure that the broker is there.',
  }),
  'mqtt.message.max.bytes': intBytes({ default: 2 ** 20, min: 1_024, max: 2 ** 27, doc: 'Longest message. A longer one fails the task.' }),
  'records.buffer.queue.size': int({
    default: 50_000,
    min: 1,
    max: 1_000_000,
    importance: 'low',
    doc: 'How many messages may wait in memory. Beyond, nothing is read from the broker.',
  }),
  'records.buffer.queue.max.batch.size': int({
    default: 4_096,
    min: 1,
    max: 100_000,
    importance: 'low',
    doc: 'How many records are written at once.',
  }),
  'records.buffer.queue.empty.timeout': intMs({
    default: 100,
    min: 1,
    max: 1_000,
    importance: 'low',
    doc: 'How long to wait for a message.',
  }),
  ...tlsKeys,
} as const

export type Config = ValuesOf<typeof keys>

const isSecure: Readonly<Record<string, boolean>> = { 'tcp:': false, 'mqtt:': false, 'ssl:': true, 'tls:': true, 'mqtts:': true }

function uriProblem(entry: string): string | null {
  const url = URL.canParse(entry) ? new URL(entry) : null
  if (url === null || isSecure[url.protocol] === undefined || url.hostname === '')
    return `"${entry}" is no URI that begins with tcp:// or ssl://`
  return url.password === '' ? null : 'must not have a password: set mqtt.password, which is never shown'
}

export interface Server {
  readonly host: string
  readonly port: number
  readonly isSecure: boolean
}

export function serverOf(entry: string): Server {
  const url = new URL(entry)
  const secure = isSecure[url.protocol]!
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (secure ? 8_883 : 1_883) : Number(url.port),
    isSecure: secure,
  }
}

/** MQTT 3.1.1, section 4.7. */
function filterProblem(filter: string): string | null {
  const levels = filter.split('/')
  const isWrong = levels.some(
    (level, at) => (level.includes('#') && (level !== '#' || at !== levels.length - 1)) || (level.includes('+') && level !== '+'),
  )
  return isWrong || filter.includes('\0') || Buffer.byteLength(filter) > 65_535
    ? `"${filter.slice(0, 200)}" is no filter: + stands for one level, # for all levels at the end`
    : null
}
