/** `millrace txn …`: lists open transactions and their producers, and aborts transactions that hang. */
import { type Int64, maxInt64, millisSince, realSystem, toInt64 } from '../base.ts'
import type { Client, ProducerInfo } from '../client.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, show, table, time, UsageError } from './output.ts'
import { confirm } from './secret.ts'

export interface ListFlags extends ClientFlags {
  state?: string[]
  producerId?: string[]
  longerThan?: number
}

export async function listTransactions(flags: ListFlags): Promise<void> {
  await using client = await connect(flags)
  const transactions = await client.transactions({
    states: flags.state ?? [],
    producerIds: (flags.producerId ?? []).map(producerNumber),
    ...(flags.longerThan === undefined ? {} : { longerThanMs: flags.longerThan }),
  })
  await show(flags.json, transactions, () =>
    transactions.length === 0
      ? 'No transactional id matches.\n'
      : table(
          ['TRANSACTIONAL ID', 'PRODUCER ID', 'STATE'],
          transactions.map(each => [each.transactionalId, each.producerId, each.state]),
        ),
  )
}

function producerNumber(text: string): Int64 {
  if (!/^\d{1,19}$/.test(text) || BigInt(text) > maxInt64) {
    throw new UsageError(`"${text}" is not a valid producer id; it must be a whole number from 0 to ${maxInt64}`)
  }
  return toInt64(BigInt(text))
}

export async function describeTransactions(ids: string[], flags: ClientFlags): Promise<void> {
  await using client = await connect(flags)
  const found = await Promise.all(ids.map(id => client.transaction(id)))
  const nowMs = realSystem().clock.now()
  await show(flags.json, found, () =>
    found
      .map(({ transactionalId, state, producerId, producerEpoch, timeoutMs, startTimeMs, partitions }) => {
        const open =
          startTimeMs === null
            ? ''
            : `, open for ${Math.max(0, Math.round(millisSince(startTimeMs, nowMs) / 1000))} s since ${time(startTimeMs)}`
        const about = `${transactionalId}: ${state}, producer ${producerId} epoch ${producerEpoch}, timeout ${timeoutMs} ms${open}\n`
        if (partitions.length === 0) return about
        return (
          about +
          table(
            ['TOPIC', 'PARTITION'],
            partitions.map(each => [each.topic, each.partition]),
          )
        )
      })
      .join('\n'),
  )
}

export interface ProducersFlags extends ClientFlags {
  partition?: number[]
  open?: boolean
}

export async function listProducers(topic: string, flags: ProducersFlags): Promise<void> {
  await using client = await connect(flags)
  const numbers = flags.partition ?? (await client.topics([topic]))[0]!.partitions.map(each => each.partition)
  const found = await Promise.all(
    numbers.map(async partition => (await client.producers(topic, partition)).map(producer => ({ partition, ...producer }))),
  )
  const producers = found.flat().filter(each => flags.open !== true || each.transactionStartOffset !== null)
  await show(flags.json, producers, () =>
    producers.length === 0
      ? 'No producer matches.\n'
      : table(
          ['PARTITION', 'PRODUCER ID', 'EPOCH', 'LAST SEQUENCE', 'LAST WRITE', 'COORDINATOR EPOCH', 'OPEN SINCE OFFSET'],
          producers.map(each => [
            each.partition,
            each.producerId,
            each.producerEpoch,
            each.lastSequence,
            time(each.lastTimestampMs),
            each.coordinatorEpoch,
            each.transactionStartOffset,
          ]),
        ),
  )
}

export interface AbortFlags extends ClientFlags {
  topic?: string
  partition?: number
  startOffset?: number
  producerId?: string
  yes?: boolean
}

export async function abortTransaction(id: string | undefined, flags: AbortFlags): Promise<void> {
  const onPartition = flags.topic !== undefined || flags.partition !== undefined
  if ((id !== undefined) === onPartition) throw new UsageError('specify either a transactional id, or --topic and --partition')
  await using client = await connect(flags)
  // Not returned: the client is closed when this function ends.
  if (id !== undefined) await fence(client, id, flags)
  else await abortHanging(client, flags)
}

async function fence(client: Client, transactionalId: string, flags: AbortFlags): Promise<void> {
  const { state, producerId, producerEpoch } = await client.transaction(transactionalId)
  const question = `${transactionalId} is ${state}. Fence its producer ${producerId} (epoch ${producerEpoch}) and abort its open transaction?`
  if (!(await confirm(question, flags.yes))) return show(flags.json, { aborted: null }, () => 'Nothing was changed.\n')
  await client.fenceProducer(transactionalId)
  await show(flags.json, { aborted: { transactionalId, producerId } }, () => `${transactionalId} aborted; its producer is fenced\n`)
}

/** A transaction that no coordinator knows any more blocks read_committed consumers forever. */
async function abortHanging(client: Client, flags: AbortFlags): Promise<void> {
  const { topic, partition, startOffset } = flags
  if (topic === undefined || partition === undefined) throw new UsageError('--topic and --partition must be used together')
  if ((startOffset === undefined) === (flags.producerId === undefined)) {
    throw new UsageError('specify --start-offset or --producer-id; millrace txn producers TOPIC --open shows both')
  }
  const wanted = flags.producerId === undefined ? null : producerNumber(flags.producerId)
  const open = (await client.producers(topic, partition)).filter(each => each.transactionStartOffset !== null)
  const found = open.find(each => (wanted === null ? each.transactionStartOffset === startOffset : each.producerId === wanted))
  if (found === undefined) throw new CommandFailed(`${topic}-${partition} has no such open transaction`)
  const coordinated = await owner(client, found)
  if (coordinated !== null) {
    throw new CommandFailed(
      `this transaction is not hanging: it belongs to ${coordinated}; abort it with millrace txn abort ${coordinated}`,
    )
  }
  const question = `Abort the transaction of producer ${found.producerId} on ${topic}-${partition} starting at offset ${found.transactionStartOffset}?`
  if (!(await confirm(question, flags.yes))) return show(flags.json, { aborted: null }, () => 'Nothing was changed.\n')
  await client.abortOnPartition(topic, partition, found)
  await show(flags.json, { aborted: { topic, partition, producerId: found.producerId, startOffset: found.transactionStartOffset } }, () => {
    return `the transaction of producer ${found.producerId} on ${topic}-${partition} is aborted\n`
  })
}

/** The transactional id whose coordinator still knows the transaction. A marker written without that coordinator could contradict it. */
async function owner(client: Client, { producerId, producerEpoch }: ProducerInfo): Promise<string | null> {
  for (const { transactionalId } of await client.transactions({ producerIds: [producerId] })) {
    const { startTimeMs, producerEpoch: epoch } = await client.transaction(transactionalId)
    if (startTimeMs !== null && epoch === producerEpoch) return transactionalId
  }
  return null
}
