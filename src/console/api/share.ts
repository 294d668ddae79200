/**
 * What a share group has in hand, as far as Kafka's protocol tells: where each partition begins for the group, how much of it is not settled, and its
 * limits. It does not tell which records a member holds, nor how often one was delivered.
 */
import { Type } from 'typebox'
import type { ClientError } from '../../client.ts'
import { Digits, digitsOf, MaybeDigits, MaybeText, OfGroup, route } from '../route.ts'
import { recordsOf } from './topics.ts'

const deadLetterKey = 'errors.deadletterqueue.topic.name'
/** Kafka's names, as the page shows them. */
const limitNames = [
  'share.delivery.count.limit',
  'share.record.lock.duration.ms',
  'share.partition.max.record.locks',
  'share.auto.offset.reset',
  'share.isolation.level',
  deadLetterKey,
] as const

const inHand = route({
  method: 'GET',
  path: '/groups/:group/share',
  params: OfGroup,
  response: Type.Object({
    partitions: Type.Array(
      Type.Object({
        topic: Type.String(),
        partition: Type.Integer(),
        /** Everything before it is settled: accepted, rejected, or given up. */
        start: Digits(),
        end: MaybeDigits,
        /** Neither accepted nor given up; null: the cluster is too old to say. */
        left: MaybeDigits,
        /** Settled although something before them is not. */
        ahead: MaybeDigits,
      }),
    ),
    /** The group's configuration, or what it would be. */
    limits: Type.Array(Type.Object({ name: Type.String(), value: MaybeText })),
    deadLetters: Type.Union([
      Type.Object({
        topic: Type.String(),
        /** Of all groups that write there; null: the topic is not there, or may not be seen. */
        records: MaybeDigits,
      }),
      Type.Null(),
    ]),
    missing: Type.Array(Type.String()),
  }),
  async handle({ params: { group }, client }) {
    const missing: string[] = []
    const [offsets, configs] = await Promise.all([
      client.groupOffsets(group, 'share'),
      client.configs({ type: 'GROUP', name: group }).catch((error: ClientError) => {
        missing.push(`Its limits: ${error.message}`)
        return []
      }),
    ])
    const [begins, ends] = await Promise.all([client.manyOffsets(offsets, 'earliest'), client.manyOffsets(offsets, 'latest')])
    const partitions = offsets.map(({ topic, partition, offset, lag }) => {
      const [begin, end] = [begins.get(topic)?.get(partition) ?? 0n, ends.get(topic)?.get(partition)]
      // What was deleted is not settled.
      const start = begin > offset ? begin : offset
      const ahead = end === undefined || lag === null ? null : end - start - lag
      // Between two questions the end may have moved.
      const settled = ahead !== null && ahead < 0n ? 0n : ahead
      return { topic, partition, start: String(start), end: digitsOf(end), left: digitsOf(lag), ahead: digitsOf(settled) }
    })
    const limits = limitNames.flatMap(name => configs.filter(each => each.name === name).map(({ value }) => ({ name, value })))
    const topic = limits.find(each => each.name === deadLetterKey)?.value ?? ''
    return { partitions, limits, deadLetters: topic === '' ? null : { topic, records: await recordsOf(client, topic) }, missing }
  },
})

export const shareRoutes = [inHand] as const
