/** Records of sinks that cannot be processed go to a topic as they were read, and their headers say why. */
import type { Hiding } from '../../base.ts'
import { type Client, ClientError, ensureTopic, isTooLarge, type RecordHeader } from '../../client.ts'
import { classOfError, traceOf, type Where } from './errors.ts'

export interface DeadLettersOptions {
  readonly client: Client
  readonly topic: string
  /** If the topic is created here. */
  readonly replicas: number
  readonly connector: string
  readonly task: number
  /** `errors.deadletterqueue.context.headers.enable` */
  readonly saysWhy: boolean
  /** Of what the headers say. */
  readonly hiding: Hiding
}

const prefix = '__connect.errors.'

export class DeadLetters {
  readonly #options: DeadLettersOptions

  private constructor(options: DeadLettersOptions) {
    this.#options = options
  }

  /** Creates the topic if it is missing. */
  static async open(options: DeadLettersOptions): Promise<DeadLetters> {
    const { client, topic, replicas } = options
    await ensureTopic(client, { name: topic, partitions: 1, replicas }).catch(error => {
      if (!(error instanceof ClientError) || error.code !== 'INVALID_REPLICATION_FACTOR') throw error
      const key = 'errors.deadletterqueue.topic.replication.factor'
      throw new ClientError(
        error.code,
        `The topic ${topic} cannot have the ${replicas} replicas that ${key} asks for (-1: as the broker has it): ${error.message}`,
      )
    })
    return new DeadLetters(options)
  }

  /**
   * Throws ClientError. Kafka Connect's reporter logs that it could not send a letter, which is lost then. Here one that is too large is sent with less of what its headers say; if
   * the record alone is too large the task fails, and finds it again when the topic takes it.
   */
  async put(where: Where & { readonly raw: NonNullable<Where['raw']> }, error: unknown): Promise<void> {
    const { client, topic, saysWhy } = this.#options
    const { key, value, timestampMs, headers } = where.raw
    const send = (why: readonly RecordHeader[]) =>
      client.send(topic, [
        { key, value, timestampMs: timestampMs < 0n ? undefined : timestampMs, headers: [...headers, ...lacking(headers, why)] },
      ])
    const why = saysWhy ? this.#why(where, error) : []
    try {
      await send(why).catch(tried => {
        if (why.length === 0 || !isTooLarge(tried)) throw tried
        return send(why.map(shortened))
      })
    } catch (failed) {
      throw isTooLarge(failed) ? tooLarge(where.raw, topic, failed) : failed
    }
  }

  #why({ raw, stage, className }: Where & { readonly raw: NonNullable<Where['raw']> }, thrown: unknown): Header[] {
    const { connector, task, hiding } = this.#options
    const error = hiding.error(thrown)
    const said: [string, string][] = [
      ['topic', raw.topic],
      ['partition', String(raw.partition)],
      ['offset', String(raw.offset)],
      ['connector.name', connector],
      ['task.id', String(task)],
      ['stage', stage],
      ['class.name', className],
      ['exception.class.name', classOfError(error)],
      ['exception.message', error.message],
      ['exception.stacktrace', traceOf(error)],
    ]
    return said.map(([name, text]) => ({ key: Buffer.from(prefix + name), value: Buffer.from(text) }))
  }
}

interface Header extends RecordHeader {
  readonly value: Buffer
}

const shortBytes = 200

function shortened({ key, value }: Header): Header {
  if (value.length <= shortBytes) return { key, value }
  const start = value
    .subarray(0, shortBytes)
    .toString()
    .replace(/\ufffd$/, '')
  return { key, value: Buffer.from(`${start}… (shortened, because the dead letter was too large for its topic)`) }
}

function tooLarge(raw: NonNullable<Where['raw']>, letters: string, { code, message }: ClientError): ClientError {
  const place = `offset ${raw.offset} of ${raw.topic}-${raw.partition}`
  return new ClientError(
    code,
    `the record at ${place} could not be processed, and is too large for the dead-letter topic ${letters}, whose max.message.bytes must be raised: ${message}`,
  )
}

/** As in Kafka: a record that has been a dead letter before keeps what was said first. */
function lacking(there: readonly RecordHeader[], more: readonly RecordHeader[]): RecordHeader[] {
  return more.filter(({ key }) => !there.some(each => each.key.equals(key)))
}
