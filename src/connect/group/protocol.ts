/**
 * What workers of Kafka Connect tell each other inside JoinGroup and SyncGroup (ConnectProtocol V1 and V2), byte for byte, so that Java's workers and
 * these form one group.
 *
 * A worker says where it is reached, how far it has read the configurations, and what it runs. The one that leads answers each with what to begin and
 * what to give up.
 */
import { ByteReader, ByteWriter, toInt64 } from '../../base.ts'
import { noWork, type TaskId, type Work } from '../names.ts'

/** `sessioned` differs from `compatible` in that workers sign their requests to each other. */
const protocols = { sessioned: 2, compatible: 1 } as const
export type ProtocolName = keyof typeof protocols

export interface WorkerState {
  readonly url: string
  /** The offset after the last record of the configurations that it has read. */
  readonly offset: bigint
  readonly work: Work
}

export interface Assignment {
  /** 1: whoever assigns has not read all configurations; all join again. */
  readonly error: number
  /** The member's id. */
  readonly leader: string
  readonly leaderUrl: string
  /** Of the configurations by which it was decided. */
  readonly offset: bigint
  readonly assigned: Work
  readonly revoked: Work
  /** After so long, all join again; 0: they need not. */
  readonly delayMs: number
}

/** In an array of tasks it stands for the connector itself. */
const connectorItself = -1

export function encodeWorkerState(
  { url, offset, work }: WorkerState,
  leader: Pick<Assignment, 'leader' | 'leaderUrl'>,
  name: ProtocolName,
): Buffer {
  const writer = new ByteWriter()
  writer.writeInt16(protocols[name])
  writer.writeString(url)
  writer.writeInt64(toInt64(offset))
  writer.writeBytes(encodeAssignment({ error: 0, ...leader, offset, assigned: work, revoked: noWork, delayMs: 0 }, name))
  return writer.toBuffer()
}

/** Throws RangeError and MalformedInput. */
export function decodeWorkerState(bytes: Buffer): WorkerState {
  const reader = new ByteReader(bytes)
  requireVersion(reader.readInt16())
  const url = reader.readString()
  const offset = BigInt(reader.readInt64())
  const held = reader.remaining === 0 ? null : reader.readNullableBytes()
  return { url, offset, work: held === null ? noWork : decodeAssignment(held).assigned }
}

export function encodeAssignment(assignment: Assignment, name: ProtocolName): Buffer {
  const { error, leader, leaderUrl, offset, assigned, revoked, delayMs } = assignment
  const writer = new ByteWriter()
  writer.writeInt16(protocols[name])
  writer.writeInt16(error)
  writer.writeString(leader)
  writer.writeString(leaderUrl)
  writer.writeInt64(toInt64(offset))
  writeWork(writer, assigned)
  writeWork(writer, revoked)
  writer.writeInt32(delayMs)
  return writer.toBuffer()
}

/** Throws RangeError and MalformedInput. */
export function decodeAssignment(bytes: Buffer): Assignment {
  const reader = new ByteReader(bytes)
  requireVersion(reader.readInt16())
  const error = reader.readInt16()
  const leader = reader.readString()
  const leaderUrl = reader.readString()
  const offset = BigInt(reader.readInt64())
  const assigned = readWork(reader)
  const revoked = readWork(reader)
  return { error, leader, leaderUrl, offset, assigned, revoked, delayMs: reader.remaining === 0 ? 0 : reader.readInt32() }
}

function requireVersion(version: number): void {
  if (version < 1) throw new RangeError(`version ${version} of the protocol of Kafka Connect (connect.protocol=eager) is not supported`)
}

function writeWork(writer: ByteWriter, { connectors, tasks }: Work): void {
  const byConnector = new Map<string, number[]>(connectors.map(each => [each, [connectorItself]]))
  for (const { connector, task } of tasks) {
    const known = byConnector.get(connector)
    if (known === undefined) byConnector.set(connector, [task])
    else known.push(task)
  }
  writer.writeInt32(byConnector.size)
  for (const [connector, ids] of byConnector) {
    writer.writeString(connector)
    writer.writeInt32(ids.length)
    for (const id of ids) writer.writeInt32(id)
  }
}

/** Null and absent arrays are empty. */
function readWork(reader: ByteReader): Work {
  const connectors: string[] = []
  const tasks: TaskId[] = []
  const count = reader.remaining === 0 ? 0 : reader.readInt32()
  for (let index = 0; index < count; index++) {
    const connector = reader.readString()
    const ids = reader.readInt32()
    for (let at = 0; at < ids; at++) {
      const task = reader.readInt32()
      if (task === connectorItself) connectors.push(connector)
      else tasks.push({ connector, task })
    }
  }
  return { connectors, tasks }
}
